"""Log-mel examples for VGGish, on the time grid of the video snippets.

The recipe of AudioSet (Hershey et al. 2017): 16 kHz mono in [-1, 1], periodic Hann windows of
25 ms every 10 ms, magnitudes of a 512-point transform, 64 HTK mel bands from 125 to 7500 Hz,
log(mel + 0.01).
"""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy.fft import rfft

RATE = 16_000
WINDOW, HOP, TRANSFORM = 400, 160, 512
BANDS, LOWEST_HZ, HIGHEST_HZ = 64, 125.0, 7500.0
LOG_OFFSET = 0.01
EXAMPLE_FRAMES = 96
EXAMPLE_SECONDS = 0.96
_CHUNK = 256  # frames transformed at a time: they fit into the CPU cache


def _mel(hertz: np.ndarray | float) -> np.ndarray:
    return 1127.0 * np.log1p(np.asarray(hertz, np.float64) / 700.0)


@cache
def mel_matrix() -> np.ndarray:
    """Return the weights of the mel bands on the transform's bins, float64 `[257, 64]`.

    Triangles are linear in mel, not in hertz; the constant bin has weight 0 (HTK).
    """
    bins = _mel(np.linspace(0.0, RATE / 2, TRANSFORM // 2 + 1))[:, None]
    edges = np.linspace(_mel(LOWEST_HZ), _mel(HIGHEST_HZ), BANDS + 2)
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    weights = np.minimum((bins - low) / (centre - low), (high - bins) / (high - centre)).clip(0)
    weights[0] = 0.0
    return weights


def log_mel(sound: np.ndarray) -> np.ndarray:
    """Return log-mel frames of `sound [..., S]`, float32 `[..., 1 + (S - 400) // 160, 64]`.

    The sound is at 16 kHz. Incomplete frames at the end are left out, as in torchvggish; a sound
    shorter than one window has no frames.
    """
    sound = np.asarray(sound, np.float32)
    if sound.shape[-1] < WINDOW:
        return np.empty((*sound.shape[:-1], 0, BANDS), np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(sound, WINDOW, axis=-1)[..., ::HOP, :]
    out = np.empty((*frames.shape[:-1], BANDS), np.float32)
    # float64: the log would amplify the rounding of a loud tone in silent bands (2e-4).
    hann = 0.5 - 0.5 * np.cos(2 * np.pi / WINDOW * np.arange(WINDOW))
    for start in range(0, frames.shape[-2], _CHUNK):
        part = slice(start, start + _CHUNK)
        magnitude = np.abs(rfft(frames[..., part, :] * hann, TRANSFORM))
        out[..., part, :] = np.log(magnitude @ mel_matrix() + LOG_OFFSET)
    return out


def snippet_windows(sound: np.ndarray, rows: int, step: float) -> np.ndarray:
    """Return one VGGish example per video snippet: float32 `[rows, 96, 64]`.

    Example l is the 0.96 s centred on `step * (l + 0.5)` seconds of `sound [S]` at 16 kHz, with
    zeros beyond its ends. With a step of 0.96 s these are torchvggish's own examples.
    """
    samples = (EXAMPLE_FRAMES - 1) * HOP + WINDOW
    centres = np.round((np.arange(rows) + 0.5) * step * RATE).astype(np.int64)
    starts = centres - round(EXAMPLE_SECONDS / 2 * RATE)
    before = max(0, -int(starts.min(initial=0)))
    after = max(0, int(starts.max(initial=0)) + samples - len(sound))
    padded = np.pad(np.asarray(sound, np.float32), (before, after))
    starts = starts + before
    out = np.empty((rows, EXAMPLE_FRAMES, BANDS), np.float32)
    if rows and step <= EXAMPLE_SECONDS and not ((starts - starts[0]) % HOP).any():
        # As at 25 fps: neighbouring examples share frames.
        frames = log_mel(padded[starts[0] : starts[-1] + samples])
        for row, first in enumerate((starts - starts[0]) // HOP):
            out[row] = frames[first : first + EXAMPLE_FRAMES]
        return out
    for first in range(0, rows, _CHUNK // EXAMPLE_FRAMES):
        part = slice(first, first + _CHUNK // EXAMPLE_FRAMES)
        out[part] = log_mel(np.stack([padded[s : s + samples] for s in starts[part]]))
    return out
