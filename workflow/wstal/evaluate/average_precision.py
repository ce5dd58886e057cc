"""Mean average precision of detections and of video-level classification.

`detection_map` is ActivityNet's definition: interpolated average precision over matched
predictions. `video_map` ranks whole videos, which is all that can be measured where no segment is
annotated; its average precision is not interpolated. The average precisions they are made of
follow.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from wstal.base.errors import WstalError
from wstal.evaluate.matching import Matches, match


def detection_map(
    ground_truth: pd.DataFrame,
    predictions: pd.DataFrame,
    tious: Sequence[float],
    classes: Sequence[str] | None = None,
) -> dict[str, np.ndarray]:
    """Return interpolated average precision per tIoU and class, and its mean over classes.

    `ground_truth` has the columns video_id, t_start, t_end, label; `predictions` also has `score`
    (greater is better), and may have a bool column `neutral` (see `protocols`). Times are in any
    one unit, half-open. Returns fractions `{"ap": [I, C], "map": [I]}`, C in the order of
    `classes` or of the sorted labels of the ground truth. A class without ground truth is NaN and
    left out of the mean; a class without predictions has AP 0; predictions of labels outside
    `classes` are ignored; predictions in videos without ground truth are misses.

    Raises WstalError for missing columns, numbers that are not finite, inverted segments.
    """
    ap = match_ap(match(ground_truth, predictions, tious, classes))
    return {"ap": ap, "map": class_mean(ap)}


def match_ap(matches: Matches) -> np.ndarray:
    """Return the average precision `[I, C]` of matched predictions."""
    positives, hits = matches.instances.sum(axis=0), matches.hits
    ap = np.full((len(matches.tious), len(matches.classes)), np.nan)
    for index, count in enumerate(positives):
        rows = matches.class_slice(index)
        neutral = matches.neutral[rows] if matches.neutral.any() else None
        ap[:, index] = interpolated_ap(hits[:, rows], count, neutral)
    return ap


def video_map(scores: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray | float]:
    """Return the non-interpolated AP of ranking videos by score, per class, and its mean.

    `scores` `[V, C]` real, `labels` `[V, C]` 0 or 1. Returns fractions `{"ap": [C], "map"}`;
    a class without a video is NaN and left out of the mean. Of equal scores the earlier video
    ranks first. Raises WstalError for unequal shapes or scores that are not finite.
    """
    scores, labels = np.asarray(scores, dtype=float), np.asarray(labels) > 0
    if scores.shape != labels.shape or scores.ndim != 2:
        raise WstalError(f"scores {scores.shape} and labels {labels.shape} must agree as [V, C]")
    if not np.isfinite(scores).all():
        video, index = np.argwhere(~np.isfinite(scores))[0]
        raise WstalError(f"the score of video {video}, class {index} is {scores[video, index]}")
    order = np.argsort(-scores, axis=0, kind="stable")
    ranked = np.take_along_axis(labels, order, axis=0)
    ap = np.array([ranked_ap(column, column.sum()) for column in ranked.T])
    return {"ap": ap, "map": float(class_mean(ap))}


def interpolated_ap(
    hits: np.ndarray,
    positives: float,
    neutral: np.ndarray | None = None,
    normalizer: float | None = None,
) -> np.ndarray:
    """Return the area under the monotone precision-recall curve, one value per threshold.

    `hits` `[I, N]` bool in falling rank, `positives` the number of instances (0 gives NaN),
    `neutral` `[N]` bool: a prediction that is ignored unless it hits. `normalizer` is DETAD's N:
    in the precision, hits are rescaled to a class of N instances, so that classes or subsets of
    unequal size are comparable.
    """
    if positives == 0:
        return np.full(len(hits), np.nan)
    scale = 1.0 if normalizer is None else normalizer / positives
    return np.array([_area(row, neutral, scale) / positives for row in hits])


def _area(hits: np.ndarray, neutral: np.ndarray | None, scale: float) -> float:
    """Sum over the hits of the best precision from there on.

    Precision rises at hits and falls between them, so only its values at hits are needed.
    """
    at = np.flatnonzero(hits)
    counted = at + 1 if neutral is None else np.cumsum(hits | ~neutral)[at]
    found = np.arange(1, len(at) + 1)
    precision = found * scale / (found * scale + counted - found)
    return float(np.maximum.accumulate(precision[::-1]).sum())


def ranked_ap(hits: np.ndarray, positives: float) -> float:
    """Return the mean precision at the hits, not interpolated; `hits` `[N]` bool by rank."""
    if positives == 0:
        return float("nan")
    found = np.cumsum(hits)
    return float((found / np.arange(1, len(hits) + 1) * hits).sum() / positives)


def class_mean(values: np.ndarray) -> np.ndarray:
    """Return the mean over the last axis without NaN; NaN if nothing is left."""
    values = np.asarray(values, dtype=float)
    known = ~np.isnan(values)
    count = known.sum(axis=-1)
    total = np.where(known, values, 0.0).sum(axis=-1)
    return np.divide(total, count, out=np.full(np.shape(total), np.nan), where=count > 0)
