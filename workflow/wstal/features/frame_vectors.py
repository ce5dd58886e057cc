"""Rows that overlap, of a network that sees each frame alone: every frame passes it once.

Such a row is the mean of its frames' vectors, and rows that overlap share most of their frames. So
the vectors of the frames that a later row sees stay in memory, and only new frames pass the
network.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch import Tensor, nn

from wstal.features.rows import RowGrid, SeenRows
from wstal.features.snippets import as_taken, batches, snippets, upload


@torch.inference_mode()
def frame_means(
    network: nn.Module,
    pictures: Iterable[np.ndarray],
    count: int,
    rows: RowGrid | SeenRows,
    *,
    crop: int | None,
    batch: int,
    device: torch.device,
) -> np.ndarray:
    """Return the first `count` rows as means over their frames' vectors: float32 `[count, D]`.

    `pictures` are chunks of uint8 RGB `[n, H, W, 3]`; each picture that a row sees passes the
    network once, as a window of one frame. `network` must be on `device`. At a time it gets as
    many frames as `batch` windows have; in memory are the vectors of one row besides.
    """
    new = NewFrames(pictures, count, crop, rows)
    vectors: dict[int, Tensor] = {}  # by frame
    out: list[Tensor] = []
    for group in upload(batches(new.pictures(), batch * rows.window), device):
        found = network.features(as_taken(network, group[:, None])).float()
        vectors |= {new.passed.popleft(): vector for vector in found}
        out += complete_rows(new, vectors)
    out += complete_rows(new, vectors)  # a last row may have no frame of its own
    return torch.stack(out).cpu().numpy()


def complete_rows(new: NewFrames, vectors: dict[int, Tensor]) -> Iterator[Tensor]:
    """Yield the next rows whose `vectors` all came; remove those that no later row needs."""
    while new.seen and all(frame in vectors for frame in new.seen[0]):
        seen = new.seen.popleft()
        for frame in [frame for frame in vectors if frame < seen[0]]:
            del vectors[frame]
        yield torch.stack([vectors[frame] for frame in seen]).mean(0)


class NewFrames:
    """The pictures that rows see, each once.

    `seen` has the frames of each row whose pictures came, `passed` the frames in the order in which
    they came; the reader takes away what it has used. They may be filled by another thread.
    """

    def __init__(
        self, pictures: Iterable[np.ndarray], count: int, crop: int | None, rows: RowGrid | SeenRows
    ) -> None:
        self._given, self._count, self._crop, self._rows = pictures, count, crop, rows
        self._read = 0  # pictures so far
        self.seen: deque[list[int]] = deque()
        self.passed: deque[int] = deque()

    def pictures(self) -> Iterator[np.ndarray]:
        """Yield `[crop, crop, 3]`, row by row, without those of earlier rows."""
        known: set[int] = set()
        windows = snippets(self._counted(), self._count, self._crop, self._rows)
        for row, window in enumerate(windows):
            # The first and the last picture are repeated beyond the ends of the video.
            last = max(self._read - 1, 0)
            seen = self._rows.frames(row).clip(0, last).tolist()
            known = {frame for frame in known if frame >= seen[0]}
            self.seen.append(seen)
            for frame, picture in zip(seen, window, strict=True):
                if frame not in known:
                    known.add(frame)
                    self.passed.append(frame)
                    yield picture

    def _counted(self) -> Iterator[np.ndarray]:
        for chunk in self._given:
            self._read += len(chunk)
            yield chunk
