"""Who acts in a scene: objects and their light, where they are, and what they do when.

Casting is alike for all classes, so that a class is its motion alone. Between its actions an object
rests, drifts, or leaves and comes back elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from wstal.demo.motion import PAIRED, Motion, Pose, draw_motion, reach
from wstal.demo.pictures import MARGIN, Actor, Sprite, make_sprite, surface

CROP = 56.0  # half of the central square, scene units: every action happens inside
RAMP = 0.15  # seconds in which a motion sets in and dies away, inside its segment
FADE = 0.3  # seconds in which an object appears or leaves


@dataclass(frozen=True)
class Event:
    """A labelled stretch of time in seconds, half-open: an action or a sound."""

    start: float
    end: float
    label: str


@dataclass(frozen=True)
class Look:
    """The families of a scene's surfaces and outlines, and its light (brightness in 0..1)."""

    shapes: tuple[str, ...]
    textures: tuple[str, ...]
    brightness: float
    lift: float

    def object(self, rng: np.random.Generator, size: float, contrast: float = 0.7) -> Sprite:
        """Draw an object of `size` scene units that differs from the background by the lift."""
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
    """Draw a background uint8 `[H, W, 3]`: a picture of `size` with a margin, contrast 0.3-0.6."""
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
    """Draw a small object that drifts slowly across the picture on a straight line.

    `half` is half the picture (width, height) in scene units; beyond the border it wraps around.
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
    """Two places around a middle; the first object is there with or without the second."""

    separation: float
    direction: float

    def offset(self, index: int) -> np.ndarray:
        """Return the place of object 0 or 1 relative to the middle, scene units `[2]`."""
        side = (index - 0.5) * self.separation
        return side * np.array([np.cos(self.direction), np.sin(self.direction)])


def draw_object_size(rng: np.random.Generator, pair: bool) -> float:
    """Draw the size of an object in scene units, alike for all motions; a pair is smaller."""
    return rng.uniform(26, 32) if pair else rng.uniform(27, 38)


def draw_anchor(
    rng: np.random.Generator, half: tuple[float, float], extent: tuple[float, float]
) -> np.ndarray:
    """Draw a place `[2]` near 0 such that `extent` to each side of it stays inside +-`half`."""
    room = np.clip(np.array(half) - 3 - np.array(extent), 0, 16)
    return rng.uniform(-1, 1, 2) * room


def smooth(x: float) -> float:
    """Return a cubic step from 0 at x <= 0 to 1 at x >= 1."""
    x = min(max(x, 0.0), 1.0)
    return x * x * (3 - 2 * x)


@dataclass(frozen=True)
class Act:
    """A motion between `start` and `end` seconds."""

    start: float
    end: float
    motion: Motion

    def gain(self, now: float) -> float:
        """Return the strength of the motion at `now`, 0..1."""
        return smooth((now - self.start) / RAMP) * smooth((self.end - now) / RAMP)

    def travelled(self, now: float) -> float:
        """Return the integral of the gain up to `now`, seconds."""
        passed = min(max(now - self.start, 0.0), self.end - self.start)
        left = self.end - self.start - passed
        return passed - _ramp_loss(passed) - (RAMP / 2 - _ramp_loss(left))

    def poses(self, now: float) -> tuple[Pose, Pose]:
        """Return the poses of the first and second object; after the end, what adds up remains."""
        return self.motion.poses(now - self.start, self.gain(now), self.travelled(now))


def _ramp_loss(seconds: float) -> float:
    """Return the integral of 1 - gain over the first `seconds` of a ramp (RAMP / 2 in all)."""
    x = min(seconds / RAMP, 1.0)
    return RAMP * (x - x**3 + x**4 / 2)


@dataclass(frozen=True)
class Stay:
    """The place of a group over time: keys (seconds, x, y), and stretches of absence."""

    keys: Sequence[tuple[float, float, float]]
    absences: Sequence[tuple[float, float]]

    def at(self, now: float) -> np.ndarray:
        """Return the position `[2]` in scene units."""
        before = self.keys[0]
        for key in self.keys:
            if key[0] > now:
                part = smooth((now - before[0]) / (key[0] - before[0]))
                return np.array(before[1:]) + part * (np.array(key[1:]) - before[1:])
            before = key
        return np.array(before[1:])

    def opacity(self, now: float) -> float:
        """Return 1 while the group is visible, 0 while it is away."""
        return min(
            (1 - smooth((now - gone) / FADE) + smooth((now - back) / FADE + 1))
            for gone, back in [*self.absences, (1e9, 2e9)]
        )


def draw_stay(
    rng: np.random.Generator,
    actions: Sequence[Event],
    duration: float,
    room: tuple[float, float],
) -> Stay:
    """Draw what happens in the gaps: rest, drift by a few units, or absence and another place.

    The group stays within +-`room` of the centre and is in full view during every action.
    """
    room = np.array(room)
    place = rng.uniform(-1, 1, 2) * room
    keys, absences = [(0.0, *place)], []
    starts = [0.0, *(action.end for action in actions)]
    ends = [*(action.start for action in actions), duration]
    for start, end in zip(starts, ends, strict=True):
        state, heading = rng.random(), rng.uniform(0, 2 * np.pi)
        step = rng.uniform(3, 7) * max(end - start, 0.0) ** 0.5
        keys.append((start + 0.01, *place))
        if state < 0.3:
            place = np.clip(
                place + step * np.array([np.cos(heading), np.sin(heading)]), -room, room
            )
            keys.append((end, *place))
        elif state < 0.55 and end - start > 2:
            absences.append((start + 0.3, end - 0.4))
            middle = (start + end) / 2
            keys.append((middle, *place))
            place = rng.uniform(-1, 1, 2) * room
            keys.append((middle + 0.01, *place))
    return Stay(keys, absences)


@dataclass(frozen=True)
class Troupe:
    """One object or a pair, `size` scene units across; the first (or both) perform the acts.

    `clearance` is how far an act reaches from the place of the first object.
    """

    heroes: list[Actor]
    acts: list[Act]
    stay: Stay
    pair: Pair
    size: float
    clearance: float


def draw_troupe(
    rng: np.random.Generator,
    look: Look,
    actions: Sequence[Event],
    duration: float,
    tempo: float = 1.0,
) -> Troupe:
    """Draw who performs `actions` (labels of `ACTIONS`, seconds) in a video of `duration` s.

    `tempo` multiplies the frequency of every motion.
    """
    paired = bool(PAIRED & {action.label for action in actions})
    companion = paired or rng.random() < 0.35  # so two objects at rest do not give a clap away
    size = draw_object_size(rng, companion)
    motions = [draw_motion(action.label, rng) for action in actions]
    motions = [replace(motion, frequency=tempo * motion.frequency) for motion in motions]
    clap = [motion.amplitude for motion in motions if motion.name == "clap"]
    gap = 4 * max(clap) if clap else rng.uniform(18, 28)
    direction = rng.normal(0, 0.07)
    beside = (size + gap) / 2 if companion else 0.0
    clearance = size / 2 + max((reach(motion) for motion in motions), default=0.0)
    fit = min(1.0, (CROP - 4) / (beside + clearance))
    size, beside, clearance = fit * size, fit * beside, fit * clearance
    acts = [
        Act(action.start, action.end, motion.scaled(fit))
        for action, motion in zip(actions, motions, strict=True)
    ]
    pair = Pair(2 * beside, direction)
    room = np.clip(CROP - 4 - np.array([beside + clearance, clearance]), 0, 14)
    stay = draw_stay(rng, actions, duration, tuple(room))
    heroes = [
        _hero(index, look.object(rng, size), pair, stay, acts, rng.uniform(0, 2 * np.pi))
        for index in range(2 if companion else 1)
    ]
    return Troupe(heroes, acts, stay, pair, size, clearance)


def _hero(
    index: int, sprite: Sprite, pair: Pair, stay: Stay, acts: list[Act], angle: float
) -> Actor:
    offset = pair.offset(index)

    def place(now: float) -> tuple[Pose, float]:
        x, y = stay.at(now) + offset
        pose = Pose(x, y, angle)
        for act in acts:
            if now >= act.start:
                move = act.poses(now)[index]
                pose = Pose(
                    pose.dx + move.dx, pose.dy + move.dy, pose.angle + move.angle, move.sx, move.sy
                )
        return pose, stay.opacity(now)

    return Actor(sprite, place)
