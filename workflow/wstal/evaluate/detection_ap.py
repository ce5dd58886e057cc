"""mAP of detections, as ActivityNet's evaluation defines it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from wstal.evaluate.average_precision import class_mean, interpolated_ap
from wstal.evaluate.matching import Matches, match


def detection_map(
    ground_truth: pd.DataFrame,
    predictions: pd.DataFrame,
    tious: Sequence[float],
    classes: Sequence[str] | None = None,
) -> dict[str, np.ndarray]:
    """Interpolated average precision per tIoU and class, and its mean over classes.

    `ground_truth` has the columns video_id, t_start, t_end, label; `predictions` has `score`
    too (greater is better), and may have a bool column `neutral` (see `protocols`). Times are
    in any one unit, half-open. Returns fractions `{"ap": [I, C], "map": [I]}`, C in the order
    of `classes` or of the sorted labels of the ground truth. A class without ground truth is
    NaN and left out of the mean; one without predictions has AP 0; predictions of labels
    outside `classes` take no part; predictions in videos without ground truth are misses.

    Raises WstalError for absent columns, numbers that are not finite, inverted segments.
    """
    ap = match_ap(match(ground_truth, predictions, tious, classes))
    return {"ap": ap, "map": class_mean(ap)}


def match_ap(matches: Matches) -> np.ndarray:
    """Average precision `[I, C]` of matched predictions."""
    positives, hits = matches.instances.sum(axis=0), matches.hits
    ap = np.full((len(matches.tious), len(matches.classes)), np.nan)
    for index, count in enumerate(positives):
        rows = matches.class_slice(index)
        neutral = matches.neutral[rows] if matches.neutral.any() else None
        ap[:, index] = interpolated_ap(hits[:, rows], count, neutral)
    return ap
