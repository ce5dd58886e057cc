"""From sequences over time to segments: which classes, above which thresholds, which runs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wstal.base.settings import Count, NonNegative


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


def softmax(x: np.ndarray) -> np.ndarray:
    """Softmax over the last axis, float64."""
    x = np.asarray(x, dtype=np.float64)
    weights = np.exp(x - x.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True)


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
