"""From a decoded RGB picture to what a recipe asks for: upright, gray or colour, at its size."""

from __future__ import annotations

import cv2
import numpy as np

from wstal.base.errors import WstalError

INTERPOLATIONS = {
    "bilinear": cv2.INTER_LINEAR,
    "bicubic": cv2.INTER_CUBIC,
    "area": cv2.INTER_AREA,
}


def quarter_turns(degrees: float) -> int:
    """Return the counter-clockwise quarter turns, 0 to 3, nearest to a rotation in degrees."""
    return round(degrees / 90) % 4


def upright(picture: np.ndarray, degrees: float) -> np.ndarray:
    """Rotate `[H, W, C]` counter-clockwise by `degrees`, a multiple of 90.

    Phones store how they were held, not a rotated picture.
    """
    turns = quarter_turns(degrees)
    return np.ascontiguousarray(np.rot90(picture, turns)) if turns else picture


def turned_size(width: int, height: int, degrees: float) -> tuple[int, int]:
    """Return width and height after the rotation."""
    return (height, width) if quarter_turns(degrees) % 2 else (width, height)


def resized(width: int, height: int, short_side: int | None) -> tuple[int, int]:
    """Return the size with its short side at `short_side`, up or down; None keeps it."""
    if short_side is None:
        return width, height
    scale = short_side / min(width, height)
    return tuple(
        short_side if side == min(width, height) else int(side * scale + 0.5)
        for side in (width, height)
    )


class Converter:
    """Callable: RGB uint8 [H, W, 3] -> uint8 [h, w, 3] (`rgb`) or [h, w] (`gray`).

    Gray is OpenCV's BGR2GRAY of the decoded picture, taken before the resize as flow programs
    do. The first picture fixes the size; a later one of another size (streams may change it) is
    resized to the same. Raises WstalError for unknown `pixels` or `interpolation`.
    """

    def __init__(self, pixels: str, short_side: int | None, interpolation: str) -> None:
        if pixels not in ("rgb", "gray"):
            raise WstalError(f"pixels is {pixels!r}; it can be rgb or gray")
        if interpolation not in INTERPOLATIONS:
            raise WstalError(
                f"interpolation {interpolation!r} is not one of {', '.join(INTERPOLATIONS)}"
            )
        self.gray, self.short_side = pixels == "gray", short_side
        self.interpolation = INTERPOLATIONS[interpolation]
        self.size: tuple[int, int] | None = None

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        height, width = picture.shape[:2]
        if self.size is None:
            self.size = resized(width, height, self.short_side)
        if self.gray:
            picture = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        if self.size == (width, height):
            return picture
        return cv2.resize(picture, self.size, interpolation=self.interpolation)
