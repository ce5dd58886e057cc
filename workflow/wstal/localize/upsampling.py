"""Snippet scores on a finer grid, so that segments may begin and end within a snippet."""

from __future__ import annotations

import numpy as np

from wstal.errors import WstalError


def upsampled(sequence: np.ndarray, factor: int, align: str = "start") -> np.ndarray:
    """`[T]` -> float64 `[T factor]`, linear between snippets; at the ends a value stays.

    Point k spans [k, k+1) / factor snippets. With `start` it takes the value at k / factor, a
    snippet's own value standing where the snippet starts, as in ACM-Net's code (every segment is
    thereby found about half a snippet early); with `centre` a snippet's value stands at its middle.
    """
    if align not in ("start", "centre"):
        raise WstalError(f"align {align!r} is not one of start, centre")
    points = np.arange(len(sequence) * factor)
    place = points / factor if align == "start" else (points + 0.5) / factor - 0.5
    return np.interp(place, np.arange(len(sequence)), np.asarray(sequence, dtype=np.float64))
