"""TS-SAM's localization: thresholds on an upsampled sequence, outer-inner score, hard NMS.

Where the paper leaves a step open, the closest relative with code (ACM-Net) has the default and a
named switch the other reading.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from wstal.base.errors import WstalError
from wstal.localize.detections import all_rows, class_rows, detection_frame
from wstal.localize.nms import suppress_overlaps
from wstal.localize.outer_inner import outer_inner
from wstal.localize.scores import Scores, VideoScores
from wstal.localize.segments import kept_classes, runs_above, softmax, upsampled


def localize(scores: Scores, config: Mapping[str, Any]) -> pd.DataFrame:
    """Detections of all videos: video_id, t_start, t_end (seconds), label, score.

    `config` is the `localize` section of the run's config. Videos in the order of `scores`,
    classes ascending, then the best first.
    """
    return detection_frame(scores, lambda video: proposals(video, config))


def proposals(video: VideoScores, settings: Mapping[str, Any]) -> np.ndarray:
    """Proposals of one video: float64 `[N, 4]` of start, end (snippets), class, score."""
    factor, grid = settings["upsample"], np.linspace(**settings["thresholds"])
    # differs from paper: it says that frames below the threshold are discarded; ones of a class
    # are meant, whose video score y_fg is compared.
    kept = kept_classes(video.video_score, settings["class_threshold"])
    found = []
    for label, sequence in zip(kept, sequences(video, kept, settings["sequence"]).T, strict=True):
        points = upsampled(sequence, factor, settings["align"])
        segments = runs_above(points, grid, shortest=settings["shortest"])
        margin, count = settings["outer_margin"], settings["outer_points"]
        contrast = outer_inner(points[:, None], segments, margin, count)
        score = contrast[:, 0] + settings["video_weight"] * video.video_score[label]
        order, score = suppress_overlaps(segments, score, settings["nms"])
        found.append(class_rows(segments[order] / factor, label, score))
    return all_rows(found)


def sequences(video: VideoScores, classes: np.ndarray, kind: str) -> np.ndarray:
    """What is thresholded for each class, float64 `[T, K]`.

    `class`: the class's probability, softmax over C+1 of z = a_fg p (the paper's thresholds for
    ActivityNet, 0.005 to 0.025 where 1/201 is even odds, only make sense for one); `attention`:
    a_fg for every class, which is what the attention branch alone localizes with (Tables 5, 6).
    """
    attention = video.attention.astype(np.float64)[:, None]
    if kind == "attention":
        return np.repeat(attention, len(classes), axis=1)
    if kind != "class":
        raise WstalError(f"sequence {kind!r} is not one of class, attention")
    return softmax(attention * video.cas)[:, classes]
