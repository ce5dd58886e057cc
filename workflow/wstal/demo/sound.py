"""Sounds that differ in rhythm and spectrum, and a background."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.signal import butter, sosfilt

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
