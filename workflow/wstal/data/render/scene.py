"""A scene: a textured background, actors before it, a camera; drawn at any time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from wstal.data.render.camera import Camera
from wstal.data.render.motion import Pose
from wstal.data.render.sprite import OVERSAMPLE, Sprite

MARGIN = 16  # scene units of background beyond the picture, for the camera to show


@dataclass(frozen=True)
class Actor:
    """A sprite and its `place(seconds) -> (pose, opacity)`: the pose is absolute in the scene."""

    sprite: Sprite
    place: Callable[[float], tuple[Pose, float]]


@dataclass(frozen=True)
class Scene:
    """`background` uint8 [H, W, 3] at `scale` pixels per unit; actors are drawn in their order.

    `grain` is int16 [G, G, 3], sensor noise of which each frame takes another cut; size is
    (height, width) of the picture.
    """

    background: np.ndarray
    actors: Sequence[Actor]
    camera: Camera
    size: tuple[int, int]
    grain: np.ndarray
    scale: float = 1.0

    def draw(self, seconds: float) -> np.ndarray:
        """The picture at `seconds`: uint8 RGB [H, W, 3]."""
        height, width = self.size
        view = self.camera.matrix(seconds, self.scale, width, height)
        rows, columns = self.background.shape[:2]
        scene = np.array([[1, 0, -columns / 2], [0, 1, -rows / 2], [0, 0, self.scale]])
        canvas = cv2.warpAffine(
            self.background,
            (view @ (scene / self.scale))[:2],
            (width, height),
            borderMode=cv2.BORDER_REFLECT_101,
        )
        for actor in self.actors:
            pose, opacity = actor.place(seconds)
            if opacity > 0:
                _paste(canvas, actor.sprite, view, pose, opacity)
        return cv2.add(canvas, self._noise(seconds), dtype=cv2.CV_8U)

    def _noise(self, seconds: float) -> np.ndarray:
        height, width = self.size
        step = int(round(seconds * 1000)) * 2654435761 % 2**32  # a hash: frames share no cut
        free = self.grain.shape[0] - height + 1, self.grain.shape[1] - width + 1
        top, left = step % free[0], step // 4093 % free[1]
        return self.grain[top : top + height, left : left + width]


def draw_grain(rng: np.random.Generator, size: tuple[int, int], sigma: float) -> np.ndarray:
    """Sensor noise int16 of `sigma` grey levels, large enough for many cuts of `size`."""
    shape = (size[0] + 40, size[1] + 40, 3)
    return np.round(sigma * rng.standard_normal(shape, dtype=np.float32)).astype(np.int16)


def _paste(
    canvas: np.ndarray, sprite: Sprite, view: np.ndarray, pose: Pose, opacity: float
) -> None:
    """Lay a sprite over the picture, in place."""
    side = sprite.pixels.shape[0]
    cosine, sine = np.cos(pose.angle) / OVERSAMPLE, np.sin(pose.angle) / OVERSAMPLE
    linear = np.array([[cosine, -sine], [sine, cosine]]) * [[pose.sx], [pose.sy]]
    offset = np.array([pose.dx, pose.dy]) - linear @ ((side - 1) / 2, (side - 1) / 2)
    matrix = view @ np.vstack([np.column_stack([linear, offset]), (0, 0, 1)])
    corners = matrix[:2, :2] @ np.array([[0, side, 0, side], [0, 0, side, side]]) + matrix[:2, 2:]
    height, width = canvas.shape[:2]
    left, top = np.maximum(np.floor(corners.min(axis=1)).astype(int), 0)
    right, bottom = np.minimum(np.ceil(corners.max(axis=1)).astype(int) + 1, (width, height))
    if right <= left or bottom <= top:
        return
    matrix[:2, 2] -= (left, top)
    cut = cv2.warpAffine(sprite.pixels, matrix[:2], (right - left, bottom - top)).astype(np.uint16)
    if opacity < 1:
        cut = (cut * int(round(opacity * 256))) >> 8
    region = canvas[top:bottom, left:right]
    region[:] = cut[..., :3] + (region * (255 - cut[..., 3:]) + 127) // 255
