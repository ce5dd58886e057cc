"""From a decoded RGB picture to what a recipe asks for: upright, gray or colour, at its size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from wstal.base.errors import WstalError

INTERPOLATIONS = {
    "bilinear": cv2.INTER_LINEAR,
    "bicubic": cv2.INTER_CUBIC,
    "area": cv2.INTER_AREA,
}


class Orientation(NamedTuple):
    """How a decoded picture becomes the one that a player shows.

    Left and right are exchanged first (`mirrored`), then the picture is turned counter-clockwise
    by `turns` quarters, 0 to 3.
    """

    turns: int = 0
    mirrored: bool = False

    @property
    def degrees(self) -> int:
        """The counter-clockwise rotation."""
        return 90 * self.turns


def orientation(matrix: Sequence[int]) -> Orientation:
    """Return what a display matrix (9 values, as FFmpeg keeps it) asks for, as `ffmpeg` does it.

    A matrix that maps the picture to a line or a point asks for nothing. Raises WstalError with
    the angle for one that is no multiple of 90 degrees.
    """
    a, b, _, c, d = (float(value) for value in matrix[:5])
    if a * d == b * c:
        return Orientation()
    angle = math.degrees(math.atan2(b / math.hypot(b, d), a / math.hypot(a, c)))
    clockwise = round(angle) % 360
    if clockwise == 90:
        return Orientation(1, True) if c > 0 else Orientation(3)
    if clockwise == 270:
        return Orientation(3, True) if c < 0 else Orientation(1)
    if clockwise == 180 or clockwise <= 1:  # ffmpeg takes one degree for none
        across, down = clockwise == 180 and a < 0, d < 0
        return Orientation(2 * down, across != down)
    raise WstalError(
        f"its pictures are turned by {clockwise} degrees clockwise; only multiples of 90 are "
        "supported, so turn them with a video editor"
    )


def upright(picture: np.ndarray, orientation: Orientation) -> np.ndarray:
    """Return `[H, W, C]` as a player shows it.

    Phones store how they were held, not a rotated picture.
    """
    if orientation == (0, False):
        return picture
    if orientation.mirrored:
        picture = picture[:, ::-1]
    return np.ascontiguousarray(np.rot90(picture, orientation.turns))


def turned_size(width: int, height: int, orientation: Orientation) -> tuple[int, int]:
    """Return width and height as a player shows them."""
    return (height, width) if orientation.turns % 2 else (width, height)


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
