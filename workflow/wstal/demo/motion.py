"""Motions: what an object, or a pair of them, does as a function of time.

A class is its motion alone: sizes, colours, places and shapes are drawn alike for all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

ACTIONS = ("sway", "bounce", "orbit", "spin", "pulse", "clap")
MOTIONS = (*ACTIONS, "rock", "zigzag", "squash", "shake", "sweep", "swap", "idle")
PAIRED = frozenset({"clap", "swap"})
TOP_SPEED = 175.0  # scene units per second: 7 px per frame at 25 fps, which flow still follows


class Pose(NamedTuple):
    """Displacement in scene units, rotation in radians, and scale along both axes."""

    dx: float = 0.0
    dy: float = 0.0
    angle: float = 0.0
    sx: float = 1.0
    sy: float = 1.0


REST = Pose()


@dataclass(frozen=True)
class Motion:
    """One performance of a motion: cycles per second, amplitude in scene units, direction.

    `phase` (radians) is where the cycle starts; `sign` is +1 or -1 (turning or facing).
    """

    name: str
    frequency: float
    amplitude: float
    direction: float
    sign: float
    phase: float = 0.0

    def poses(self, seconds: float, gain: float = 1.0, travelled: float | None = None):
        """Return the poses of the first and second object `seconds` after the start.

        `gain` in 0..1 scales the motion, so that it can set in and die away; `travelled` is the
        integral of the gain, for motions that add up instead of returning (spin, sweep).
        """
        travelled = seconds if travelled is None else travelled
        theta = 2 * np.pi * self.frequency * seconds + self.phase
        return getattr(self, f"_{self.name}")(theta, gain, travelled)

    def scaled(self, factor: float) -> Motion:
        """Return the same performance with its amplitude multiplied by `factor`."""
        return replace(self, amplitude=self.amplitude * factor)

    def with_amplitude(self, amplitude: float) -> Motion:
        """Return the same performance with this amplitude."""
        return replace(self, amplitude=amplitude)

    def _along(self, distance: float) -> Pose:
        return Pose(distance * np.cos(self.direction), distance * np.sin(self.direction))

    def _swing(self, theta: float, gain: float, travelled: float):
        return self._along(gain * self.amplitude * np.sin(theta)), REST

    _sway = _zigzag = _shake = _swing

    def _bounce(self, theta: float, gain: float, travelled: float):
        cycle = theta / (2 * np.pi) % 1.0
        return self._along(gain * self.amplitude * 4 * cycle * (1 - cycle)), REST

    def _orbit(self, theta: float, gain: float, travelled: float):
        radius = gain * self.amplitude
        return Pose(radius * np.cos(theta), self.sign * radius * np.sin(theta)), REST

    def _spin(self, theta: float, gain: float, travelled: float):
        turn = 2 * np.pi * self.frequency * travelled
        return Pose(angle=self.sign * turn), REST

    def _rock(self, theta: float, gain: float, travelled: float):
        return Pose(angle=gain * 0.7 * self.sign * np.sin(theta)), REST

    def _pulse(self, theta: float, gain: float, travelled: float):
        scale = 1 + 0.38 * gain * np.sin(theta)
        return Pose(sx=scale, sy=scale), REST

    def _squash(self, theta: float, gain: float, travelled: float):
        stretch = 1 + 0.38 * gain * np.sin(theta)
        return Pose(sx=stretch, sy=1 / stretch), REST

    def _sweep(self, theta: float, gain: float, travelled: float):
        return self._along(self.amplitude * (travelled - 0.34)), REST

    def _clap(self, theta: float, gain: float, travelled: float):
        inward = gain * self.amplitude * (1 - np.cos(theta))
        pose = self._along(inward)
        return pose, Pose(-pose.dx, -pose.dy)

    def _swap(self, theta: float, gain: float, travelled: float):
        turn = self.direction + self.sign * 2 * np.pi * self.frequency * travelled
        dx = self.amplitude * (np.cos(self.direction) - np.cos(turn))
        dy = self.amplitude * (np.sin(self.direction) - np.sin(turn))
        return Pose(dx, dy), Pose(-dx, -dy)

    def _idle(self, theta: float, gain: float, travelled: float):
        return REST, REST


def draw_motion(name: str, rng: np.random.Generator, phase: float = 0.0) -> Motion:
    """Draw one performance of the motion `name`; raise ValueError for an unknown one.

    At `phase` 0 every motion starts from rest without a jump.
    """
    if name not in MOTIONS:
        raise ValueError(f"motion {name!r} is not one of {', '.join(MOTIONS)}")
    frequency, amplitude = rng.uniform(1.5, 2.5), rng.uniform(8, 13)
    direction = rng.normal(0, np.radians(4))
    sign = float(rng.choice((-1.0, 1.0)))
    limit = TOP_SPEED / (2 * np.pi * frequency)  # of a sine
    match name:
        case "bounce":
            amplitude = min(1.6 * amplitude, TOP_SPEED / (4 * frequency))
            direction -= np.pi / 2
        case "spin":
            frequency = rng.uniform(0.8, 1.4)  # the rim of a 38 px object stays below the limit
        case "rock":
            frequency = rng.uniform(1.5, 2.2)
        case "clap":
            amplitude = rng.uniform(6, 8.5)  # travels twice that, to and fro
        case "zigzag":
            amplitude = min(amplitude, limit)
            direction += sign * np.pi / 4
        case "shake":
            frequency, amplitude = rng.uniform(4.0, 5.0), rng.uniform(3.0, 4.5)
        case "sweep":
            amplitude = sign * rng.uniform(45, 75)  # here a speed, units per second
        case "swap":
            frequency = rng.uniform(0.7, 1.0)
        case _:
            amplitude = min(amplitude, limit)
    return Motion(name, frequency, amplitude, direction, sign, phase)


def reach(motion: Motion) -> float:
    """Return how far the motion moves an object beyond its outline, in scene units."""
    if motion.name in ("spin", "rock", "pulse", "squash", "idle", "clap", "swap"):
        return 0.0
    return 0.34 * abs(motion.amplitude) if motion.name == "sweep" else motion.amplitude
