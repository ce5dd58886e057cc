"""Acting through a whole video: resting, drifting, leaving and coming back between the actions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wstal.data.render.motion import Motion, Pose
from wstal.data.render.plan import Event

RAMP = 0.15  # seconds in which a motion sets in and dies away, inside its segment
FADE = 0.3  # seconds in which an object appears or leaves


def smooth(x: float) -> float:
    """Cubic step from 0 at x <= 0 to 1 at x >= 1."""
    x = min(max(x, 0.0), 1.0)
    return x * x * (3 - 2 * x)


@dataclass(frozen=True)
class Act:
    """A motion between `start` and `end` seconds."""

    start: float
    end: float
    motion: Motion

    def gain(self, now: float) -> float:
        """How strong the motion is at `now`, 0..1."""
        return smooth((now - self.start) / RAMP) * smooth((self.end - now) / RAMP)

    def travelled(self, now: float) -> float:
        """Integral of the gain up to `now`, seconds."""
        passed = min(max(now - self.start, 0.0), self.end - self.start)
        left = self.end - self.start - passed
        return passed - _ramp_loss(passed) - (RAMP / 2 - _ramp_loss(left))

    def poses(self, now: float) -> tuple[Pose, Pose]:
        """Poses of the first and second object; after the end what adds up stays."""
        return self.motion.poses(now - self.start, self.gain(now), self.travelled(now))


def _ramp_loss(seconds: float) -> float:
    """Integral of 1 - gain over the first `seconds` of a ramp (RAMP / 2 over all of it)."""
    x = min(seconds / RAMP, 1.0)
    return RAMP * (x - x**3 + x**4 / 2)


@dataclass(frozen=True)
class Stay:
    """Where a group stands over time: keys (seconds, x, y), and stretches of absence."""

    keys: Sequence[tuple[float, float, float]]
    absences: Sequence[tuple[float, float]]

    def at(self, now: float) -> np.ndarray:
        """Position [2] in scene units."""
        before = self.keys[0]
        for key in self.keys:
            if key[0] > now:
                part = smooth((now - before[0]) / (key[0] - before[0]))
                return np.array(before[1:]) + part * (np.array(key[1:]) - before[1:])
            before = key
        return np.array(before[1:])

    def opacity(self, now: float) -> float:
        """1 where the group is seen, 0 where it is away."""
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
