"""Features that follow each video's own frame rate, put on one common time grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

TOLERANCE = 0.02  # of a rate; 24 and 25 are 4 % apart


def own_rate(
    rows: int,
    frames: int | None,
    duration: float | None,
    settings: Mapping[str, Any],
) -> tuple[float, str]:
    """(frames per second of a video with `rows` snippets, what was assumed).

    `frames` is the publisher's count, else it follows from the rows; `duration` in seconds. Of
    `settings["rates"]` the one that fits is taken (an empty list: whatever they give), the
    recipe's `fps` where the duration is unknown or no rate fits.
    """
    fps, stride, rates = settings["fps"], settings["stride"], settings["rates"]
    if rates is None:
        return fps, ""
    if not duration:
        return fps, f"its own frame rate is not known, taken as {fps:g}"
    slack = 0.0 if frames else stride / 2 / duration
    count = frames or (rows - 1) * stride + settings["snippet"] + stride / 2
    found = count / duration
    if not rates:
        return found, ""
    best = min(rates, key=lambda rate: abs(rate - found))
    if abs(best - found) > best * TOLERANCE + slack:
        return fps, f"{found:.2f} frames per second fit none of {_joined(rates)}, taken as {fps:g}"
    return best, ""


def common_rows(rows: int, rate: float, settings: Mapping[str, Any]) -> np.ndarray:
    """For each snippet of the common grid the row nearest in time: int64 `[T]`.

    Snippet l is centred at (l * stride + snippet / 2) / rate seconds.
    """
    fps, stride, half = settings["fps"], settings["stride"], settings["snippet"] / 2
    if rate == fps:
        return np.arange(rows)
    count = max(1, round(rows * fps / rate))
    centres = (np.arange(count) * stride + half) / fps
    nearest = np.rint((centres * rate - half) / stride).astype(np.int64)
    return np.clip(nearest, 0, rows - 1)


def _joined(rates: Sequence[float]) -> str:
    return ", ".join(f"{rate:g}" for rate in rates)
