"""The objects that act in a video: their looks, where they stand, and what they do when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from wstal.data.render.cast import Look, Pair, draw_object_size
from wstal.data.render.motion import PAIRED, Pose, draw_motion, reach
from wstal.data.render.performance import Act, Stay, draw_stay
from wstal.data.render.plan import Event
from wstal.data.render.scene import Actor
from wstal.data.render.sprite import Sprite

CROP = 56.0  # half of the central square, scene units: every action happens inside


@dataclass(frozen=True)
class Troupe:
    """One object or a pair, `size` scene units across; the first (or both) perform the acts.

    `clearance` is how far an act reaches from where the first object stands.
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
    companion = paired or rng.random() < 0.35  # two objects at rest are no sign of a clap
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
