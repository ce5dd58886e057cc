"""mAP of video-level classification, what is left to measure where no segment is annotated."""

from __future__ import annotations

import numpy as np

from wstal.errors import WstalError
from wstal.evaluate.average_precision import class_mean, ranked_ap


def video_map(scores: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray | float]:
    """Non-interpolated AP of ranking videos by their score, per class, and its mean.

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
