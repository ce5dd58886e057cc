"""Flow of a video of any length in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from wstal.flow.quantize import encode
from wstal.read_ahead import read_ahead

SNIPPET = 16  # pairs in one chunk of a flow file
PAIRS = 4 * SNIPPET  # pairs computed at a time: enough to keep many threads busy
# The same for a GPU, where a batch takes as long as its slowest pair, at a cut ten times the mean,
# beside which the others hide.
GPU_PAIRS = 64 * SNIPPET


def flow_chunks(
    gray_chunks: Iterable[np.ndarray],
    flow: Callable[[np.ndarray], np.ndarray],
    *,
    bound: float,
    pairs: int = PAIRS,
) -> Iterator[np.ndarray]:
    """int8 flow codes `[n, H, W, 2]` between consecutive frames, n = `pairs` but for the last.

    `gray_chunks` are uint8 `[m, H, W]` of any lengths, consecutive; `flow` is `[N, H, W]` ->
    `[N-1, H, W, 2]` px. The chunks are read by a thread while flow is computed. A video of one
    frame gives one chunk of no pairs, a video of none gives nothing.
    """
    waiting, none_yet = None, True
    for chunk in read_ahead(gray_chunks):
        waiting = chunk if waiting is None else np.concatenate([waiting, chunk])
        while len(waiting) > pairs:
            yield encode(flow(waiting[: pairs + 1]), bound)
            waiting, none_yet = waiting[pairs:], False
    if waiting is not None and len(waiting) and (len(waiting) > 1 or none_yet):
        yield encode(flow(waiting), bound)
