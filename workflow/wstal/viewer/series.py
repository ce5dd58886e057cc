"""Numbers as short text for a page: few bytes each, in base64."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import numpy as np

LEVELS = 255


def column(values: Sequence[float] | np.ndarray, kind: str) -> str:
    """Values as little-endian numbers of a numpy `kind` (f4, u2, u1) in base64."""
    array = np.asarray(values).astype(np.dtype(f"<{kind}"))
    return base64.b64encode(array.tobytes()).decode("ascii")


def curve(values: np.ndarray, low: float, high: float) -> str:
    """Values `[T]` as the nearest of 256 steps from `low` to `high`, a byte each, in base64."""
    share = (np.asarray(values, dtype=float) - low) / max(high - low, np.finfo(float).tiny)
    return column(np.rint(np.clip(share, 0, 1) * LEVELS), "u1")


def value_range(arrays: Sequence[np.ndarray], *inside: float) -> tuple[float, float]:
    """The smallest range that holds all values and those of `inside`; (0, 1) if there are none."""
    parts = [np.asarray(array, dtype=float).ravel() for array in arrays]
    every = np.concatenate([*parts, np.asarray(inside, dtype=float)])
    return (float(every.min()), float(every.max())) if len(every) else (0.0, 1.0)
