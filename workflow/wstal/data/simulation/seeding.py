"""Random numbers that depend on what they are for, not on the order of drawing."""

from __future__ import annotations

import hashlib

import numpy as np

GRID = 256  # values are rounded to 1/GRID before they are summed


def generator(seed: int, *purpose: str) -> np.random.Generator:
    """The generator of one purpose, such as ("video_7", "noise"): independent of all others."""
    digest = hashlib.sha256("\0".join(purpose).encode()).digest()
    return np.random.Generator(
        np.random.PCG64(np.random.SeedSequence([seed, int.from_bytes(digest[:8], "big")]))
    )


def on_grid(x: np.ndarray) -> np.ndarray:
    """Round to multiples of 1/GRID.

    Products and sums of such numbers are exact in float64, in whatever order a machine's
    linear algebra takes them, and a last-digit difference of its `exp` is rounded away.
    """
    return np.round(x * GRID) / GRID
