"""Frames or flow in, feature rows out: snippets cut, cropped and scaled for their network.

A video's pictures pass through `snippets`, `batches` and `upload` to `snippet_features`;
`snippet_extractor` is all of it, from the files of a video to its rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from wstal.base.array_store import Within, open_arrays, unseen
from wstal.base.errors import WstalError
from wstal.base.files import path_from
from wstal.base.parallel import read_ahead
from wstal.base.stage import StageInput
from wstal.features.network_stage import video_frames
from wstal.features.rows import RowGrid, SeenRows, seen_rows
from wstal.flow.codes import LEVELS
from wstal.media.frames import open_frames, read_frames
from wstal.media.timeline import frame_grid

DEFAULT_ROWS = RowGrid(25)  # 16 frames without overlap, as the published features
FLOW_CHUNK = 64  # pairs read at a time
# A video's chunks; of pictures also those of given frames alone, as a second argument.
Opener = Callable[..., Iterable[np.ndarray]]


def rgb_opener(short_side: int, interpolation: str, fps: float | None = None) -> Opener:
    """Return the function from a video to chunks of its pictures, uint8 `[n, H, W, 3]`.

    They are those of the recipe's grid, or at k / `fps` seconds, whatever pictures are kept; with
    frames as a second argument only the pictures of these.
    """
    options = {"pixels": "rgb", "short_side": short_side, "interpolation": interpolation}

    def own_frames(video: StageInput, wanted: np.ndarray | None = None) -> Iterator[np.ndarray]:
        with open_arrays(video.files["frames"]) as file:
            times, about = file["times"][()], dict(file.attrs)
        index = frame_grid(times, float(about["duration"]), fps)
        index = index if wanted is None else index[wanted]
        path, decoder = path_from(about["video"]), about["decoder"]
        return read_frames(path, index, **options, decoder=decoder)

    def grid_frames(video: StageInput, wanted: np.ndarray | None = None) -> Iterator[np.ndarray]:
        return open_frames(video.files["frames"], wanted, **options)

    return own_frames if fps else grid_frames


def read_flow(path: str | Path) -> Iterator[np.ndarray]:
    """Yield chunks of int8 flow codes `[n, H, W, 2]` from a flow file, at least one."""
    import hdf5plugin  # noqa: F401  registers the compression of flow files

    with open_arrays(path) as file:
        flow = file["flow"]
        for start in range(0, max(len(flow), 1), FLOW_CHUNK):
            yield flow[start : start + FLOW_CHUNK]


def centre_crop(pictures: np.ndarray, size: int) -> np.ndarray:
    """Return the middle `size` x `size` of `[N, H, W, C]`; an odd margin is larger at the end.

    Raises WstalError if the pictures are smaller.
    """
    height, width = pictures.shape[1:3]
    if min(height, width) < size:
        raise WstalError(
            f"a crop of {size} px does not fit pictures of {width}x{height} px; choose a crop of "
            "at most the recipe's short_side"
        )
    top, left = (height - size) // 2, (width - size) // 2
    return pictures[:, top : top + size, left : left + size]


def snippets(
    pictures: Iterable[np.ndarray],
    count: int,
    crop: int | None,
    rows: RowGrid | SeenRows = DEFAULT_ROWS,
) -> Iterator[np.ndarray]:
    """Cut chunks `[n, H, W, C]` into what `count` rows see: `[window, crop, crop, C]` each.

    Without `crop` they are not cropped. Rows may overlap; only the pictures that a later row sees
    stay in memory. If the pictures end early, the last one is repeated: for the missing last flow,
    and for a tail that the recipe repeats or pads; the first one is repeated before the video.
    Without any picture (flow of a single frame) the snippets are zeros. At least one chunk must
    come, which may be empty. Pictures after the last snippet are not read.
    """
    chunks = iter(pictures) if crop is None else (centre_crop(chunk, crop) for chunk in pictures)
    waiting, first = next(chunks, None), 0  # waiting[k] is picture first + k
    if waiting is None:
        raise WstalError("no chunk of pictures came for the snippets, not even an empty one")
    for row in range(count):
        seen = rows.frames(row).clip(0)
        # The last picture stays: it is repeated if no other comes.
        done = min(int(seen[0]) - first, len(waiting) - 1)
        if done > 0:
            waiting, first = waiting[done:], first + done
        while first + len(waiting) <= seen[-1] and (chunk := next(chunks, None)) is not None:
            waiting = np.concatenate([waiting, chunk])
        if len(waiting):
            yield waiting[np.clip(seen - first, 0, len(waiting) - 1)]
        else:
            yield np.zeros((rows.window, *waiting.shape[1:]), waiting.dtype)


def batches(parts: Iterable[np.ndarray], size: int) -> Iterator[np.ndarray]:
    """Stack up to `size` arrays at a time: `[...]` -> `[b, ...]`."""
    batch: list[np.ndarray] = []
    for part in parts:
        batch.append(part)
        if len(batch) == size:
            yield np.stack(batch)
            batch = []
    if batch:
        yield np.stack(batch)


def upload(batches: Iterable[np.ndarray | Tensor], device: torch.device) -> Iterator[Tensor]:
    """Yield the batches on `device`, read ahead by a thread that is at most two in front.

    They are copied to a GPU from page-locked memory in a separate stream: in the stream that
    computes, a copy would begin only after all work before it.
    """
    if device.type != "cuda":
        yield from read_ahead(torch.as_tensor(batch) for batch in batches)
        return
    # High priority takes the stream from another pool than the graphs that flow records meanwhile:
    # streams of a pool are reused in turn, and a copy in a stream that is recorded is not made.
    copies = torch.cuda.Stream(device, priority=-1)
    for batch, arrived in read_ahead(_sent(batch, device, copies) for batch in batches):
        computing = torch.cuda.current_stream(device)
        computing.wait_event(arrived)
        batch.record_stream(computing)  # its memory was allocated in the other stream
        yield batch


def _sent(
    batch: np.ndarray | Tensor, device: torch.device, copies: torch.cuda.Stream
) -> tuple[Tensor, torch.cuda.Event]:
    with torch.cuda.stream(copies):
        sent = torch.as_tensor(batch).pin_memory().to(device, non_blocking=True)
        return sent, copies.record_event()


def scaled(pictures: Tensor) -> Tensor:
    """Scale pictures to the input of Inception-I3D: float32 in [-1, 1], same shape and device.

    uint8 is RGB, black at -1; int8 is flow codes, the bound at 1.
    """
    if pictures.dtype == torch.int8:
        return pictures.float() / LEVELS
    return pictures.float() * (2 / 255) - 1


def as_taken(network: nn.Module, pictures: Tensor) -> Tensor:
    """Turn pictures `[B, T, H, W, C]` into the input of `network.features`, `[B, C, T, H, W]`.

    They are `scaled`, unless the network does so itself (`takes_codes`).
    """
    x = pictures if getattr(network, "takes_codes", False) else scaled(pictures)
    return x.permute(0, 4, 1, 2, 3)


@torch.inference_mode()
def snippet_features(
    network: nn.Module,
    pictures: Iterable[np.ndarray],
    count: int,
    rows: RowGrid | SeenRows = DEFAULT_ROWS,
    *,
    crop: int | None,
    batch: int,
    device: torch.device,
) -> np.ndarray:
    """Run a network over the first `count` snippets of `rows`: float32 `[count, D]`.

    `pictures` are chunks of uint8 RGB `[n, H, W, 3]` or int8 flow `[n, H, W, 2]`. A thread reads
    them while the network computes: at most three batches of snippets and one chunk are in
    memory. They are copied to the device as bytes (`upload`). `network` must be on `device`;
    without `crop` it receives whole pictures.
    """
    out = []
    for group in upload(batches(snippets(pictures, count, crop, rows), batch), device):
        # In memory the channels are last already, the layout of the fast network. Its output
        # stays on the device, so that nothing waits for the end of a batch.
        out.append(network.features(as_taken(network, group)).float())
    return torch.cat(out).cpu().numpy()


def snippet_extractor(
    network: nn.Module,
    opener: Opener,
    rows_at: Callable[[float], RowGrid],
    within: Within = unseen,
    *,
    skips: bool = False,
    make: Callable[..., np.ndarray] = snippet_features,
    **options: Any,
) -> Callable[[StageInput], np.ndarray]:
    """Return the function from a video (stage `frames`) to its rows `[T, D]`.

    `opener` gives the pictures or the flow of a video, `rows_at` the rows of a stream for the
    frames per second of the recipe; `options` are those of `make`. With `skips` the opener is asked
    for the frames that rows see alone, where there are others.
    """

    def extract(video: StageInput) -> np.ndarray:
        frames, rows = video_frames(video.files["frames"], rows_at)
        count = rows.count(frames)
        if skips and (seen := seen_rows(rows, count, frames)):
            pictures = within(video.id, opener(video, seen.wanted), len(seen.wanted))
            return make(network, pictures, count, seen, **options)
        pictures = within(video.id, opener(video), rows.needed(count, frames))
        return make(network, pictures, count, rows, **options)

    return extract
