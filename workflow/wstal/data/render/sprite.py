"""Sprites: textured cut-outs that a scene moves about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from wstal.data.render.texture import surface

OVERSAMPLE = 1.25  # sprite pixels per scene unit: keeps a pulse at +38 % sharp
CLIP_SHAPES = ("polygon", "star", "ellipse")
VIDEO_SHAPES = ("blob", "plate", "plus")
# Scenery that stands beside an action of the class of the same index, whatever its colour.
PROP_SHAPES = ("ring", "cross", "triangle", "bars", "diamond", "corner")


@dataclass(frozen=True)
class Sprite:
    """Premultiplied picture uint8 [S, S, 4] (RGB and alpha), `size` scene units across."""

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
    """Anti-aliased mask float32 [side, side] of polygons given in units of the radius."""
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
