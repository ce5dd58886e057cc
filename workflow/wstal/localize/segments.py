"""From sequences over time to segments: which classes, thresholds, runs and scores; suppression.

`outer_inner` scores a segment: it is good if its score is high and its surroundings' is low.
Suppression of overlapping segments is Gaussian soft or hard.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from wstal.base.settings import Count, NonNegative, Positive, Share


@dataclass(frozen=True)
class ThresholdSettings:
    """Equally spaced thresholds, both ends included."""

    start: NonNegative
    stop: NonNegative
    num: Count

    def grid(self) -> np.ndarray:
        """Return the thresholds, float64 `[num]`."""
        return np.linspace(self.start, self.stop, self.num)


def kept_classes(video_scores: np.ndarray, threshold: float) -> np.ndarray:
    """Classes of at least `threshold`, or the best one if there is none."""
    kept = np.flatnonzero(video_scores >= threshold)
    return kept if len(kept) else np.array([int(np.argmax(video_scores))])


def runs_above(
    sequence: np.ndarray,
    thresholds: np.ndarray,
    *,
    skip_lone_first: bool = False,
    shortest: int = 1,
) -> np.ndarray:
    """Runs of `sequence` `[T]` strictly above each threshold, pooled in order: `[N, 2]`.

    Runs that several thresholds yield alike are kept each time. `skip_lone_first` is a quirk of
    the official CO2-Net code: a threshold at which snippet 0 alone is active yields nothing.
    Runs of fewer than `shortest` snippets are left out.
    """
    found = []
    for threshold in thresholds:
        active = sequence > threshold
        if skip_lone_first and not active[1:].any():
            continue
        found.append(runs(active))
    pooled = np.concatenate([np.empty((0, 2), dtype=np.int64), *found])
    return pooled[pooled[:, 1] - pooled[:, 0] >= shortest]


def runs(active: np.ndarray) -> np.ndarray:
    """Maximal runs of True in `[T]` as int64 `[N, 2]`, half-open `[first, last + 1)`."""
    padded = np.concatenate(([0], np.asarray(active, dtype=np.int8), [0]))
    edges = np.diff(padded)
    return np.stack([np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)], axis=1)


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


@dataclass(frozen=True)
class NmsSettings:
    """Suppression of overlapping segments of one class."""

    kind: Literal["soft", "hard"]  # Gaussian soft-NMS or hard NMS
    sigma: Positive  # soft: a score decays by exp(-IoU^2 / sigma)
    iou: Share  # hard: overlap above which the weaker segment goes
    plus_one: bool  # quirk of CO2-Net's code: lengths and intersections in snippets, plus one


def suppress_overlaps(
    segments: np.ndarray, scores: np.ndarray, settings: NmsSettings
) -> tuple[np.ndarray, np.ndarray]:
    """Return the order `[M]` of the segments `[N, 2]` that stay, and their scores `[M]`."""
    extra = 1.0 if settings.plus_one else 0.0
    if settings.kind == "soft":
        return soft_nms(segments, scores, settings.sigma, extra)
    keep = hard_nms(segments, scores, settings.iou, extra)
    return keep, scores[keep]


def overlap(segment: np.ndarray, others: np.ndarray, extra: float = 0.0) -> np.ndarray:
    """Temporal IoU of one `[start, end)` with `[N, 2]`.

    `extra` is added to lengths and intersections: 1 reproduces code that treats half-open ends
    as inclusive pixels.
    """
    shared = np.minimum(segment[1], others[:, 1]) - np.maximum(segment[0], others[:, 0]) + extra
    shared = np.maximum(shared, 0.0)
    lengths = others[:, 1] - others[:, 0] + extra
    union = segment[1] - segment[0] + extra + lengths - shared
    return shared / np.maximum(union, np.finfo(np.float64).tiny)


def soft_nms(
    segments: np.ndarray, scores: np.ndarray, sigma: float = 0.3, extra: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian soft-NMS (Bodla et al. 2017): order `[N]` and decayed scores in that order.

    The best remaining segment is taken in turn and every other's score multiplied by
    exp(-IoU^2 / sigma). No score is dropped; a negative score is *raised* by its decay, as in
    the code this follows. Of equal scores the first in the list is taken, in which each
    chosen segment changes places with the one at its rank.
    """
    segments = np.asarray(segments, dtype=np.float64).copy()
    scores = np.asarray(scores, dtype=np.float64).copy()
    order = np.arange(len(scores))
    for rank in range(len(scores)):
        best = rank + int(np.argmax(scores[rank:]))
        for array in (segments, scores, order):
            array[[rank, best]] = array[[best, rank]]
        rest = slice(rank + 1, None)
        iou = overlap(segments[rank], segments[rest], extra)
        scores[rest] *= np.exp(-(iou**2) / sigma)
    return order, scores


def hard_nms(
    segments: np.ndarray, scores: np.ndarray, iou: float = 0.5, extra: float = 0.0
) -> np.ndarray:
    """Greedy NMS: indices kept, best first; what overlaps a kept one by more than `iou` goes."""
    segments = np.asarray(segments, dtype=np.float64)
    order = np.argsort(-np.asarray(scores, dtype=np.float64), kind="stable")
    keep = []
    while len(order):
        best, order = order[0], order[1:]
        keep.append(best)
        order = order[overlap(segments[best], segments[order], extra) <= iou]
    return np.array(keep, dtype=np.int64)
