"""Pictures turned upright: phones store how they were held, not a turned picture."""

from __future__ import annotations

import numpy as np


def quarter_turns(degrees: float) -> int:
    """Counter-clockwise quarter turns, 0 to 3, of a rotation in degrees (the nearest)."""
    return round(degrees / 90) % 4


def upright(picture: np.ndarray, degrees: float) -> np.ndarray:
    """Turn `[H, W, C]` counter-clockwise by `degrees`, a multiple of 90."""
    turns = quarter_turns(degrees)
    return np.ascontiguousarray(np.rot90(picture, turns)) if turns else picture


def turned_size(width: int, height: int, degrees: float) -> tuple[int, int]:
    """Width and height once turned."""
    return (height, width) if quarter_turns(degrees) % 2 else (width, height)
