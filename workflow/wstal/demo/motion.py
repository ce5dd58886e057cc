"""What acts: motions of an object, or a pair of them, as functions of time, and sounds.

A class is its motion alone: sizes, colours, places and shapes are drawn alike for all. Sounds
differ in rhythm and spectrum; there is a background.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy.signal import butter, sosfilt

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


SOUND_SEEDS = 0x50D0


def render_sound(sound: str, seed: int, seconds: float, rate: int = 16000) -> np.ndarray:
    """Render `seconds` of a sound of `SOUNDS`: float32 `[round(seconds * rate)]` in -1..1.

    The peak is 0.5 at most, over faint noise; the same arguments give the same samples. Raises
    ValueError for an unknown sound.
    """
    if sound not in _MAKERS:
        raise ValueError(f"sound {sound!r} is not one of {', '.join(SOUNDS)}")
    rng = np.random.default_rng([SOUND_SEEDS, seed])
    time = np.arange(int(round(seconds * rate))) / rate
    wave = _MAKERS[sound](rng, time, rate)
    wave = wave / max(np.abs(wave).max(initial=0), 1e-6)
    level = 0.1 if sound == "background" else rng.uniform(0.3, 0.5)
    floor = 10 ** rng.uniform(-4, -2.5) * rng.standard_normal(len(time))
    return (level * wave + floor).astype(np.float32)


def _band(wave: np.ndarray, low: float, high: float, rate: int) -> np.ndarray:
    return sosfilt(butter(2, (low, high), "bandpass", fs=rate, output="sos"), wave)


def _hits(rng: np.random.Generator, time: np.ndarray, per_second: float) -> np.ndarray:
    """Return the seconds since the last hit of a slightly uneven beat, `[S]`; at first infinity."""
    count = int(time[-1] * per_second) + 2 if len(time) else 1
    beats = (np.arange(count) + rng.uniform(-0.08, 0.08, count) + rng.uniform(-1, 0)) / per_second
    last = np.searchsorted(beats, time, side="right") - 1
    return np.where(last >= 0, time - beats[np.maximum(last, 0)], np.inf)


def _tone(time: np.ndarray, pitch: float | np.ndarray, harmonics: int = 1) -> np.ndarray:
    step = np.diff(time, prepend=time[:1] - (time[1] - time[0] if len(time) > 1 else 0))
    angle = 2 * np.pi * np.cumsum(pitch * step)
    return np.sum([np.sin(k * angle) / k for k in range(1, harmonics + 1)], axis=0)


def _beeps(rng, time, rate):
    beat = rng.uniform(2.5, 4)
    return _tone(time, rng.uniform(900, 1600)) * (_hits(rng, time, beat) < 0.45 / beat)


def _thumps(rng, time, rate):
    since = _hits(rng, time, rng.uniform(2, 3.5))
    pitch = rng.uniform(60, 110)
    return np.exp(-since / 0.06) * np.sin(2 * np.pi * pitch * np.where(since < 9, since, 0))


def _clicks(rng, time, rate):
    envelope = np.exp(-_hits(rng, time, rng.uniform(2, 4)) / 0.02)
    return envelope * _band(rng.standard_normal(len(time)), 1000, 5000, rate)


def _rattle(rng, time, rate):
    envelope = np.exp(-_hits(rng, time, rng.uniform(14, 22)) / 0.012)
    return envelope * _band(rng.standard_normal(len(time)), 2500, 6500, rate)


def _siren(rng, time, rate):
    sweep = np.sin(2 * np.pi * rng.uniform(0.8, 1.6) * time + rng.uniform(0, 6))
    return _tone(time, rng.uniform(600, 900) * 2 ** (0.5 * sweep), 3)


def _rising(rng, time, rate):
    pace = rng.uniform(1.2, 2.2)
    return _tone(time, rng.uniform(250, 400) * 2 ** (2.3 * (time * pace % 1)), 2)


def _falling(rng, time, rate):
    pace = rng.uniform(1.2, 2.2)
    return _tone(time, rng.uniform(250, 400) * 2 ** (2.3 * (1 - time * pace % 1)), 2)


def _bells(rng, time, rate):
    since, pitch = _hits(rng, time, rng.uniform(1.2, 2)), rng.uniform(700, 1100)
    ring = [np.sin(2 * np.pi * pitch * k * time) / k for k in (1, 2.76, 5.4)]
    return np.exp(-since / 0.35) * np.sum(ring, axis=0)


def _buzz(rng, time, rate):
    return _tone(time, rng.uniform(90, 150), 24)


def _tremolo(rng, time, rate):
    wobble = 0.5 + 0.5 * np.sin(2 * np.pi * rng.uniform(6, 9) * time)
    return wobble * _tone(time, rng.uniform(350, 550), 5)


def _hiss(rng, time, rate):
    return _band(rng.standard_normal(len(time)), 3500, 7000, rate)


def _rumble(rng, time, rate):
    return _band(rng.standard_normal(len(time)), 60, 220, rate)


def _chord(rng, time, rate):
    root = rng.uniform(180, 260)
    return np.sum([_tone(time, root * step, 3) for step in (1, 1.26, 1.5)], axis=0)


def _background(rng, time, rate):
    """Return broad noise with a random slope that swells slowly."""
    low = rng.uniform(80, 800)
    noise = _band(rng.standard_normal(len(time)), low, rng.uniform(2.0, 5.0) * low, rate)
    return noise * (1 + 0.4 * np.sin(2 * np.pi * rng.uniform(0.1, 0.4) * time + rng.uniform(0, 6)))


_MAKERS: dict[str, Callable[[np.random.Generator, np.ndarray, int], np.ndarray]] = {
    "beeps": _beeps,
    "thumps": _thumps,
    "clicks": _clicks,
    "rattle": _rattle,
    "siren": _siren,
    "rising": _rising,
    "falling": _falling,
    "bells": _bells,
    "buzz": _buzz,
    "tremolo": _tremolo,
    "hiss": _hiss,
    "rumble": _rumble,
    "chord": _chord,
    "background": _background,
}
SOUNDS = tuple(_MAKERS)
