"""Outer-inner contrast: a segment is good if its score is high and its surroundings' is low."""

from __future__ import annotations

from typing import Literal

import numpy as np

Points = Literal["existing", "fixed"]


def outer_inner(
    scores: np.ndarray, segments: np.ndarray, margin: float, points: Points = "existing"
) -> np.ndarray:
    """Mean inside minus mean just outside: `scores` `[T, K]`, `segments` int `[N, 2]` -> `[N, K]`.

    Outside is `margin` of the segment's length on either side, cut at the video's ends: from
    max(0, int(first - margin n)) and up to min(T - 1, int(last + margin n)), both included;
    where it is empty its mean counts as 0. With `fixed` points the mean is over as many as there
    would be without the ends: what lies beyond counts as 0. Segments are half-open ranges.
    """
    length = len(scores)
    total = np.zeros((length + 1, scores.shape[1]))
    np.cumsum(scores, axis=0, dtype=np.float64, out=total[1:])
    start, stop = segments[:, 0], segments[:, 1]
    reach = margin * (stop - start)
    first = np.floor(start - reach).astype(np.int64)
    end = np.floor(stop - 1 + reach).astype(np.int64) + 1
    before, after = np.maximum(0, first), np.minimum(length, end)
    inside = (total[stop] - total[start]) / (stop - start)[:, None]
    count = start - before + after - stop if points == "existing" else start - first + end - stop
    outside = (total[start] - total[before] + total[after] - total[stop]) / np.maximum(count, 1)[
        :, None
    ]
    return inside - outside
