"""Average precision from ranked hits, interpolated (ActivityNet) or not (W-TALC, video level)."""

from __future__ import annotations

import numpy as np


def interpolated_ap(
    hits: np.ndarray,
    positives: float,
    neutral: np.ndarray | None = None,
    normalizer: float | None = None,
) -> np.ndarray:
    """Area under the precision-recall curve made monotone, one value per threshold.

    `hits` `[I, N]` bool in falling rank, `positives` the number of instances (0 gives NaN),
    `neutral` `[N]` bool: a prediction that counts for nothing unless it hits.
    `normalizer` is DETAD's N: hits are rescaled to a class of N instances in the precision,
    so that classes or subsets of unequal size compare.
    """
    if positives == 0:
        return np.full(len(hits), np.nan)
    scale = 1.0 if normalizer is None else normalizer / positives
    return np.array([_area(row, neutral, scale) / positives for row in hits])


def _area(hits: np.ndarray, neutral: np.ndarray | None, scale: float) -> float:
    """Sum over the hits of the best precision from there on.

    Precision rises at hits and falls between them, so that only its values there are needed.
    """
    at = np.flatnonzero(hits)
    counted = at + 1 if neutral is None else np.cumsum(hits | ~neutral)[at]
    found = np.arange(1, len(at) + 1)
    precision = found * scale / (found * scale + counted - found)
    return float(np.maximum.accumulate(precision[::-1]).sum())


def ranked_ap(hits: np.ndarray, positives: float) -> float:
    """Mean precision at the hits, not interpolated; `hits` `[N]` bool in falling rank."""
    if positives == 0:
        return float("nan")
    found = np.cumsum(hits)
    return float((found / np.arange(1, len(hits) + 1) * hits).sum() / positives)


def class_mean(values: np.ndarray) -> np.ndarray:
    """Mean over the last axis, NaN left out; NaN where nothing is left."""
    values = np.asarray(values, dtype=float)
    known = ~np.isnan(values)
    count = known.sum(axis=-1)
    total = np.where(known, values, 0.0).sum(axis=-1)
    return np.divide(total, count, out=np.full(np.shape(total), np.nan), where=count > 0)
