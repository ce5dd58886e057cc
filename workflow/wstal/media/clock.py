"""Seconds of each decoded frame, from whatever the file says about them.

A decoder returns frames in display order, so times must increase. Many files break that:
AVI stores no presentation times, streams lose them, recordings restart their clock.
"""

from __future__ import annotations

import numpy as np

DEFAULT_RATE = 25.0  # frames per second of a file that says nothing at all
SLOWEST, FASTEST = 0.1, 1000.0  # frames per second; anything beyond is damage
ROUNDING = 1e-3  # seconds: Matroska's clock; times this near to a constant rate follow it
BACKWARD, FORWARD = 1.0, 600.0  # seconds: longer jumps are a restarted clock, not a gap


def frame_times(pts: np.ndarray, dts: np.ndarray, rate: float) -> tuple[np.ndarray, str]:
    """Return increasing seconds [F] from the first frame on, and where they come from.

    The source is `pts` (as stored), `dts` (no valid display times: the decoding times, which
    are in order), `repaired pts` (missing or disordered times interpolated, jumps of the clock
    closed) or `rate` (no times at all: constant `rate`).
    """
    rate = _sane(rate)
    if _increasing(pts):
        times, source = pts - pts[0], "pts"
    elif _increasing(known := dts[: _until_flush(dts)]):
        step = _step(known, rate)
        rest = known[-1] + step * np.arange(1, len(dts) - len(known) + 1)
        times, source = np.concatenate([known, rest]) - known[0], "dts"
    elif np.isfinite(pts).any():
        times, source = _repaired(pts, _step(pts, rate)), "repaired pts"
    else:
        times, source = np.arange(len(pts)) / rate, "rate"
    constant = np.arange(len(times)) / rate
    if len(times) and np.abs(times - constant).max() <= ROUNDING:
        times = constant
    return times, source


def frame_step(times: np.ndarray, rate: float) -> float:
    """Return the usual seconds from a frame to the next; the last frame lasts as long."""
    return _step(times, _sane(rate))


def gaps(times: np.ndarray) -> np.ndarray:
    """Return the steps [G], in seconds, that are so long that frames must be missing."""
    steps = np.diff(times)
    return steps[steps > max(1.0, 5 * np.median(steps))] if len(steps) else steps


def _sane(rate: float) -> float:
    return rate if SLOWEST <= rate <= FASTEST else DEFAULT_RATE


def _increasing(times: np.ndarray) -> bool:
    steps = np.diff(times)
    return (
        len(times) > 0
        and bool(np.isfinite(times).all())
        and bool((steps > 0).all() and (steps < FORWARD).all())
    )


def _until_flush(dts: np.ndarray) -> int:
    """Return how many frames have a decoding time: those delayed until the end have none."""
    finite = np.flatnonzero(np.isfinite(dts))
    return int(finite[-1]) + 1 if len(finite) else 0


def _step(times: np.ndarray, rate: float) -> float:
    steps = np.diff(times[np.isfinite(times)])
    steps = steps[(steps > 0) & (steps < FORWARD)]
    return float(np.median(steps)) if len(steps) else 1 / rate


def _repaired(pts: np.ndarray, step: float) -> np.ndarray:
    """Close jumps of the clock, drop times out of order, interpolate what is missing."""
    times = np.full(len(pts), np.nan)
    offset, last, at = 0.0, None, 0
    for i in np.flatnonzero(np.isfinite(pts)):
        now = pts[i] + offset
        if last is not None and not -BACKWARD <= now - last <= FORWARD:
            offset += last + step * (i - at) - now
            now = pts[i] + offset
        if last is None or now > last:
            times[i], last, at = now, now, i
    known = np.flatnonzero(np.isfinite(times))
    index = np.arange(len(pts))
    filled = np.interp(index, known, times[known])
    before, after = index < known[0], index > known[-1]
    filled[before] += step * (index[before] - known[0])
    filled[after] += step * (index[after] - known[-1])
    return filled - filled[0]
