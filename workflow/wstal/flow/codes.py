"""Flow as one signed byte per component: symmetric, so that no motion stays no motion.

`flow_chunks` computes and encodes the flow of a video of any length in bounded memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wstal.base.errors import WstalError

if TYPE_CHECKING:
    from torch import Tensor


import math
from collections.abc import Callable, Iterable, Iterator

from wstal.base.parallel import read_ahead

LEVELS = 127  # +-bound <-> +-127; -128 is never used
_NAN = "the flow to be encoded contains NaN; the field it came from is not defined"


def encode(flow: np.ndarray | Tensor, bound: float) -> np.ndarray:
    """Clip flow in px, of any shape, to `[-bound, bound]` and return it as int8 of that shape.

    One step is `bound / 127` px (0.157 px at the bound 20 of the I3D recipe), rounded to the
    nearest. NaN raises WstalError. A tensor is encoded on its device: a quarter of the bytes
    leave the GPU.
    """
    _check(bound)
    if hasattr(flow, "cpu"):
        scaled = flow.float() * (LEVELS / bound)
        if scaled.isnan().any():
            raise WstalError(_NAN)
        codes = scaled.clamp_(-LEVELS, LEVELS).round_().char()
        # A GPU writes page-locked memory ten times as fast as any other.
        host = codes.new_empty(codes.shape, device="cpu", pin_memory=codes.is_cuda)
        return host.copy_(codes).numpy()
    scaled = np.asarray(flow, dtype=np.float32) * np.float32(LEVELS / bound)
    if np.isnan(scaled).any():
        raise WstalError(_NAN)
    return np.rint(np.clip(scaled, -LEVELS, LEVELS)).astype(np.int8)


def decode(codes: np.ndarray, bound: float) -> np.ndarray:
    """Return int8 codes of any shape as float32 px."""
    _check(bound)
    return np.asarray(codes).astype(np.float32) * np.float32(bound / LEVELS)


def _check(bound: float) -> None:
    if not bound > 0:
        raise WstalError(f"the flow bound must be a positive number of px, not {bound!r}")


SNIPPET = 16  # pairs in one chunk of a flow file
PAIRS = 4 * SNIPPET  # pairs computed at a time: enough to keep many threads busy
# The same on a GPU. There a batch takes as long as its slowest pair, which at a cut is ten times
# the mean; in a large batch the other pairs are computed beside it.
GPU_PAIRS = 64 * SNIPPET
PIXELS = GPU_PAIRS * 455 * 256  # of all pairs at a time: fewer pairs of larger frames


def flow_chunks(
    gray_chunks: Iterable[np.ndarray],
    flow: Callable[[np.ndarray], np.ndarray],
    *,
    bound: float,
    pairs: int = PAIRS,
) -> Iterator[np.ndarray]:
    """Yield int8 flow codes `[n, H, W, 2]` between consecutive frames; n = `pairs` but at the end.

    Of large frames n is smaller, in steps of a snippet, to fit into memory. `gray_chunks` are
    uint8 `[m, H, W]` of any lengths, consecutive; `flow` is `[N, H, W]` -> `[N-1, H, W, 2]` px.
    While it computes, a thread reads the frames that it needs next. A video of one frame gives
    one chunk without pairs, a video without frames gives nothing.
    """
    for frames in read_ahead(_overlapping(gray_chunks, pairs)):
        yield encode(flow(frames), bound)


def _overlapping(gray_chunks: Iterable[np.ndarray], pairs: int) -> Iterator[np.ndarray]:
    """Yield the frames of `pairs` pairs at a time, each beginning with the last frame before."""
    waiting: list[np.ndarray] = []
    count, none_yet = 0, True
    for chunk in gray_chunks:
        fitting = PIXELS // math.prod(chunk.shape[1:]) // SNIPPET * SNIPPET
        pairs = min(pairs, max(SNIPPET, fitting))
        waiting.append(chunk)
        count += len(chunk)
        if count <= pairs:
            continue
        joined = np.concatenate(waiting)
        for start in range(0, count - pairs, pairs):
            yield joined[start : start + pairs + 1]
        waiting, count, none_yet = [joined[start + pairs :]], count - start - pairs, False
    if count > 1 or (count and none_yet):
        yield np.concatenate(waiting)
