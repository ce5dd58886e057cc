"""Scenes: sprites with textured surfaces before a textured background, seen by a moving camera.

Textures and outlines have two disjoint families, so that networks pretrained on clips meet new
surfaces in the videos.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from wstal.demo.motion import Pose

CLIP_TEXTURES = ("fractal", "stripes", "checker", "spots")
VIDEO_TEXTURES = ("cells", "weave", "bands", "dabs")
OVERSAMPLE = 1.25  # sprite pixels per scene unit: keeps a pulse at +38 % sharp
CLIP_SHAPES = ("polygon", "star", "ellipse")
VIDEO_SHAPES = ("blob", "plate", "plus")
# Scenery beside an action of the class of the same index, in any colour.
PROP_SHAPES = ("ring", "cross", "triangle", "bars", "diamond", "corner")
MARGIN = 16  # scene units of background beyond the picture, for the camera to show


def pattern(name: str, rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Draw a grey pattern, float32 `[height, width]`, from 0 to 1 (its 1 and 99 % quantiles).

    Raises KeyError for a name that is in neither family.
    """
    grey = _PATTERNS[name](rng, height, width).astype(np.float32)
    low, high = np.quantile(grey[::3, ::3], (0.01, 0.99)).tolist()
    return np.clip((grey - low) / max(high - low, 1e-6), 0, 1)


def surface(
    families: tuple[str, ...],
    rng: np.random.Generator,
    height: int,
    width: int,
    *,
    mean: float,
    contrast: float,
) -> np.ndarray:
    """Colour a random pattern: float32 RGB `[height, width, 3]` in 0..1.

    The pattern varies by +-contrast / 2 around the brightness `mean`. The hue comes from a random
    tint and a second one along the pattern.
    """
    name = families[int(rng.integers(len(families)))]
    grey = pattern(name, rng, height, width) - 0.5
    tint = rng.uniform(-0.12, 0.12, 3)
    slope = rng.uniform(0.75, 1.25, 3)
    tint, slope = tint - tint.mean(), slope / slope.mean()
    colour = mean + tint + contrast * grey[..., None] * slope
    return np.clip(colour, 0.02, 0.98).astype(np.float32)


def _noise(rng: np.random.Generator, height: int, width: int, period: float) -> np.ndarray:
    """Draw smooth noise with one random value per `period` pixels."""
    rows, columns = int(height / period) + 3, int(width / period) + 3
    coarse = rng.random((rows, columns), dtype=np.float32)
    size = (int(columns * period) + 1, int(rows * period) + 1)
    return cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC)[:height, :width]


def _fractal(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    period = rng.uniform(14, 26)
    octaves = [0.6**k * _noise(rng, height, width, period / 2**k) for k in range(3)]
    return np.sum(octaves, axis=0)


def _axes(rng: np.random.Generator, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return coordinates along and across a random direction, in pixels."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    angle = rng.uniform(0, np.pi)
    return x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)


def _stripes(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    along, _ = _axes(rng, height, width)
    bend = 10 * _noise(rng, height, width, 24)
    wave = np.sin(2 * np.pi * (along + bend) / rng.uniform(9, 16))
    return wave + 1.2 * _noise(rng, height, width, 7)


def _checker(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    along, across = _axes(rng, height, width)
    period = rng.uniform(14, 24)
    tiles = np.sin(2 * np.pi * along / period) * np.sin(2 * np.pi * across / period)
    return np.tanh(3 * tiles) + 1.5 * _noise(rng, height, width, 8)


def _spots(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    level = _noise(rng, height, width, rng.uniform(6, 10))
    return np.tanh(6 * (level - 0.5)) + 1.5 * _noise(rng, height, width, 20)


def _cells(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    seeds = np.full((height, width), 255, np.uint8)
    count = max(8, int(height * width / rng.uniform(90, 220)))
    seeds[rng.integers(0, height, count), rng.integers(0, width, count)] = 0
    distance, label = cv2.distanceTransformWithLabels(
        seeds, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    shade = rng.random(int(label.max()) + 1).astype(np.float32)
    return cv2.GaussianBlur(shade[label] - 0.04 * distance, (0, 0), 0.8)


def _weave(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    along, across = _axes(rng, height, width)
    first, second = rng.uniform(10, 18, 2)
    grid = np.cos(2 * np.pi * along / first) + np.cos(2 * np.pi * across / second)
    return grid + 3 * _noise(rng, height, width, 11)


def _bands(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    level = _noise(rng, height, width, rng.uniform(26, 40))
    return np.sin(2 * np.pi * rng.uniform(4, 7) * level) + 1.2 * _noise(rng, height, width, 6)


def _dabs(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    picture = np.full((height, width), 0.5, np.float32)
    for _ in range(int(height * width / 60)):
        centre = (int(rng.integers(width)), int(rng.integers(height)))
        axes = (int(rng.integers(3, 9)), int(rng.integers(2, 5)))
        angle, shade = float(rng.uniform(0, 180)), float(rng.random())
        cv2.ellipse(picture, centre, axes, angle, 0, 360, shade, -1)
    return cv2.GaussianBlur(picture, (0, 0), 0.9)


_PATTERNS = {
    "fractal": _fractal,
    "stripes": _stripes,
    "checker": _checker,
    "spots": _spots,
    "cells": _cells,
    "weave": _weave,
    "bands": _bands,
    "dabs": _dabs,
}


@dataclass(frozen=True)
class Sprite:
    """A premultiplied picture uint8 `[S, S, 4]` (RGB and alpha), `size` scene units across."""

    pixels: np.ndarray
    size: float


def make_sprite(
    rng: np.random.Generator,
    shapes: tuple[str, ...],
    textures: tuple[str, ...],
    size: float,
    *,
    mean: float,
    contrast: float = 0.7,
) -> Sprite:
    """Cut a random shape of `size` scene units out of a random texture of brightness `mean`."""
    side = int(np.ceil(size * OVERSAMPLE)) + 4
    outline = _SHAPES[shapes[int(rng.integers(len(shapes)))]](rng)
    mask = _fill(outline, size * OVERSAMPLE / 2, side)
    colour = surface(textures, rng, side, side, mean=mean, contrast=contrast)
    pixels = np.concatenate([colour * mask[..., None], mask[..., None]], axis=-1)
    return Sprite(np.round(pixels * 255).astype(np.uint8), size)


def _fill(outlines: list[np.ndarray], radius: float, side: int) -> np.ndarray:
    """Return the anti-aliased mask float32 `[side, side]` of polygons in units of the radius."""
    fine = 4
    mask = np.zeros((side * fine, side * fine), np.uint8)
    points = [np.round((p * radius + side / 2) * fine).astype(np.int32) for p in outlines]
    cv2.fillPoly(mask, points, 255)  # even-odd: a second outline inside the first is a hole
    return cv2.resize(mask, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32) / 255


def _polar(radius: np.ndarray, offset: float = 0.0) -> np.ndarray:
    angle = offset + np.linspace(0, 2 * np.pi, len(radius), endpoint=False)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)


def _regular(corners: int, radius: float = 1.0) -> np.ndarray:
    return _polar(np.full(corners, radius), -np.pi / 2)


def _polygon(rng: np.random.Generator) -> list[np.ndarray]:
    return [_polar(rng.uniform(0.75, 1.0, int(rng.integers(3, 8))))]


def _star(rng: np.random.Generator) -> list[np.ndarray]:
    radius = np.ones(2 * int(rng.integers(4, 8)))
    radius[1::2] = rng.uniform(0.5, 0.7)
    return [_polar(radius)]


def _ellipse(rng: np.random.Generator) -> list[np.ndarray]:
    return [_polar(np.ones(40)) * (1.0, rng.uniform(0.6, 0.95))]


def _blob(rng: np.random.Generator) -> list[np.ndarray]:
    angle = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    waves = [rng.uniform(0.05, 0.16) * np.cos(k * angle + rng.uniform(0, 6.3)) for k in (2, 3, 5)]
    radius = 1 + np.sum(waves, axis=0)
    return [_polar(radius / radius.max())]


def _plate(rng: np.random.Generator) -> list[np.ndarray]:
    """A superellipse: a rectangle with round corners."""
    circle = _polar(np.ones(60))
    plate = np.sign(circle) * np.abs(circle) ** rng.uniform(0.35, 0.6)
    plate = plate * (1.0, rng.uniform(0.65, 0.95))
    return [plate / np.linalg.norm(plate, axis=1).max()]


def _plus(rng: np.random.Generator) -> list[np.ndarray]:
    arm = rng.uniform(0.38, 0.5)
    quarter = np.array([[1, -arm], [1, arm], [arm, arm]])
    turns = [quarter @ np.array([[c, s], [-s, c]]) for c, s in ((1, 0), (0, 1), (-1, 0), (0, -1))]
    plus = np.concatenate(turns)
    return [plus / np.linalg.norm(plus, axis=1).max()]


def _rectangle(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]])


_SHAPES: dict[str, Callable[[np.random.Generator], list[np.ndarray]]] = {
    "polygon": _polygon,
    "star": _star,
    "ellipse": _ellipse,
    "blob": _blob,
    "plate": _plate,
    "plus": _plus,
    "ring": lambda rng: [_polar(np.ones(40)), _polar(np.full(40, 0.55))],
    "cross": lambda rng: [_polar(np.array([1.0, 0.3, 1.0, 0.3, 1.0, 0.3, 1.0, 0.3]), np.pi / 4)],
    "triangle": lambda rng: [_regular(3)],
    "bars": lambda rng: [_rectangle(-0.9, y, 0.9, y + 0.3) for y in (-0.9, -0.15, 0.6)],
    "diamond": lambda rng: [_regular(4) * (0.6, 1.0)],
    "corner": lambda rng: [_rectangle(-0.9, -0.9, -0.4, 0.9), _rectangle(-0.4, 0.4, 0.9, 0.9)],
}


@dataclass(frozen=True)
class Camera:
    """A hand-held camera: two slow sines `[4, 2]` for each of x, y, roll and log zoom."""

    amplitude: np.ndarray
    frequency: np.ndarray
    phase: np.ndarray

    def state(self, seconds: float) -> tuple[float, float, float, float]:
        """Return the offset x, y in scene units, the roll in radians and the zoom factor."""
        angle = 2 * np.pi * self.frequency * seconds + self.phase
        x, y, roll, zoom = (self.amplitude * np.sin(angle)).sum(axis=1)
        return x, y, roll, np.exp(zoom)

    def matrix(self, seconds: float, scale: float, width: int, height: int) -> np.ndarray:
        """Return the affine map `[3, 3]` from the scene (origin at its centre) to pixels."""
        x, y, roll, zoom = self.state(seconds)
        cosine, sine = scale * zoom * np.cos(roll), scale * zoom * np.sin(roll)
        linear = np.array([[cosine, -sine], [sine, cosine]])
        offset = np.array([(width - 1) / 2, (height - 1) / 2]) - linear @ (x, y)
        return np.vstack([np.column_stack([linear, offset]), (0, 0, 1)])


def draw_camera(rng: np.random.Generator, strength: float = 1.0) -> Camera:
    """Draw a camera; `strength` 0 does not move, 1 moves up to about 0.6 px a frame."""
    size = np.array([[5.0], [4.0], [0.025], [0.03]]) * strength
    return Camera(
        amplitude=size * rng.uniform(0.2, 0.6, (4, 2)),
        frequency=np.stack([rng.uniform(0.05, 0.15, 4), rng.uniform(0.15, 0.4, 4)], axis=1),
        phase=rng.uniform(0, 2 * np.pi, (4, 2)),
    )


@dataclass(frozen=True)
class Actor:
    """A sprite and its `place(seconds) -> (pose, opacity)`: the pose is absolute in the scene."""

    sprite: Sprite
    place: Callable[[float], tuple[Pose, float]]


@dataclass(frozen=True)
class Scene:
    """`background` uint8 `[H, W, 3]` at `scale` pixels per unit; actors are drawn in their order.

    `grain` is sensor noise, int16 `[G, G, 3]`, of which each frame takes another part; `size` is
    (height, width) of the picture.
    """

    background: np.ndarray
    actors: Sequence[Actor]
    camera: Camera
    size: tuple[int, int]
    grain: np.ndarray
    scale: float = 1.0

    def draw(self, seconds: float) -> np.ndarray:
        """Return the picture at `seconds`, uint8 RGB `[H, W, 3]`."""
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
        step = int(round(seconds * 1000)) * 2654435761 % 2**32  # a hash: frames differ
        free = self.grain.shape[0] - height + 1, self.grain.shape[1] - width + 1
        top, left = step % free[0], step // 4093 % free[1]
        return self.grain[top : top + height, left : left + width]


def draw_grain(rng: np.random.Generator, size: tuple[int, int], sigma: float) -> np.ndarray:
    """Draw sensor noise, int16, of `sigma` grey levels, large enough for many parts of `size`."""
    shape = (size[0] + 40, size[1] + 40, 3)
    return np.round(sigma * rng.standard_normal(shape, dtype=np.float32)).astype(np.int16)


def _paste(
    canvas: np.ndarray, sprite: Sprite, view: np.ndarray, pose: Pose, opacity: float
) -> None:
    """Draw a sprite over the picture, in place."""
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
