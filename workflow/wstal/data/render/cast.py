"""Casting: the objects of a scene and where they stand, alike for all classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wstal.data.render.motion import Pose
from wstal.data.render.scene import MARGIN, Actor
from wstal.data.render.sprite import Sprite, make_sprite
from wstal.data.render.texture import surface


@dataclass(frozen=True)
class Look:
    """The families that surfaces and outlines of a scene are drawn from, and its light."""

    shapes: tuple[str, ...]
    textures: tuple[str, ...]
    brightness: float
    lift: float

    def object(self, rng: np.random.Generator, size: float, contrast: float = 0.7) -> Sprite:
        """An object of `size` scene units that stands out from the background by the lift."""
        mean = self.brightness + self.lift
        return make_sprite(rng, self.shapes, self.textures, size, mean=mean, contrast=contrast)


def draw_look(rng: np.random.Generator, shapes: tuple[str, ...], textures: tuple[str, ...]) -> Look:
    """Draw the light: background brightness, and objects 0.15-0.35 above or below it."""
    brightness = rng.uniform(0.35, 0.65)
    lift = rng.uniform(0.15, 0.35) * (1 if brightness < 0.5 else -1)
    return Look(shapes, textures, brightness, lift)


def draw_background(
    rng: np.random.Generator, look: Look, size: tuple[int, int], scale: float = 1.0
) -> np.ndarray:
    """A background uint8 [H, W, 3] with a margin around a picture of `size`; contrast 0.3-0.6."""
    margin = int(np.ceil(2 * MARGIN * scale))
    colour = surface(
        look.textures,
        rng,
        size[0] + margin,
        size[1] + margin,
        mean=look.brightness,
        contrast=rng.uniform(0.3, 0.6),
    )
    return np.round(colour * 255).astype(np.uint8)


def draw_distractor(rng: np.random.Generator, look: Look, half: tuple[float, float]) -> Actor:
    """A small object that drifts slowly across the picture on a straight line.

    `half` is half the picture (width, height) in scene units; it wraps around beyond the border.
    """
    sprite = look.object(rng, rng.uniform(9, 15), contrast=0.4)
    span = np.array(half) + sprite.size
    start, heading = rng.uniform(-1, 1, 2) * span, rng.uniform(0, 2 * np.pi)
    velocity = rng.uniform(4, 22) * np.array([np.cos(heading), np.sin(heading)])
    angle, turn = rng.uniform(0, 2 * np.pi), rng.uniform(-0.5, 0.5)

    def place(now: float) -> tuple[Pose, float]:
        x, y = (start + velocity * now + span) % (2 * span) - span
        return Pose(x, y, angle + turn * now), 1.0

    return Actor(sprite, place)


@dataclass(frozen=True)
class Pair:
    """Two places around an anchor; the first object stands there with or without the second."""

    separation: float
    direction: float

    def offset(self, index: int) -> np.ndarray:
        """Where object 0 or 1 stands relative to the middle, scene units [2]."""
        side = (index - 0.5) * self.separation
        return side * np.array([np.cos(self.direction), np.sin(self.direction)])


def draw_object_size(rng: np.random.Generator, pair: bool) -> float:
    """Size of an object in scene units, the same for all motions; two of them are smaller."""
    return rng.uniform(26, 32) if pair else rng.uniform(27, 38)


def draw_anchor(
    rng: np.random.Generator, half: tuple[float, float], extent: tuple[float, float]
) -> np.ndarray:
    """A place [2] for something that reaches `extent` to each side, inside +-`half`, near 0."""
    room = np.clip(np.array(half) - 3 - np.array(extent), 0, 16)
    return rng.uniform(-1, 1, 2) * room
