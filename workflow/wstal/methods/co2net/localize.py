"""CO2-Net's localization: attention thresholds, outer-inner score, Gaussian soft-NMS.

The order of steps and its quirks are those of the official code (commit e879687), each quirk a
named switch. Segments are snippet ranges inside, seconds at
the border.
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
from wstal.localize.segments import kept_classes, runs_above, softmax


def localize(scores: Scores, config: Mapping[str, Any]) -> pd.DataFrame:
    """Detections of all videos: video_id, t_start, t_end (seconds), label, score.

    `config` is the `localize` section of the run's config. Videos in the order of `scores`,
    classes ascending, then in the order suppression chose.
    """
    return detection_frame(scores, lambda video: proposals(video, config))


def proposals(video: VideoScores, settings: Mapping[str, Any]) -> np.ndarray:
    """Proposals of one video: float64 `[N, 4]` of first, last + 1 (snippets), class, score."""
    cas = suppressed(video, settings["suppression"])
    video_scores = video_level(cas, settings["video_topk"])
    grid = np.linspace(**settings["thresholds"])
    options = {"skip_lone_first": settings["skip_lone_first"]}
    found = []
    for label in kept_classes(video_scores, settings["class_threshold"]):
        if settings["sequence"] == "attention":
            sequence = video.attention.astype(np.float64)
        else:
            sequence = softmax(video.cas)[:, label]
        segments = runs_above(sequence, grid, **options)
        contrast = outer_inner(cas[:, label : label + 1], segments, settings["outer_margin"])
        score = contrast[:, 0] + settings["video_weight"] * video_scores[label]
        order, score = suppress_overlaps(segments, score, settings["nms"])
        found.append(class_rows(segments[order], label, score))
    return all_rows(found)


def suppressed(video: VideoScores, mode: str) -> np.ndarray:
    """Background-suppressed class activation sequence, float64 `[T, C+1]`.

    `product` (A S) is what the official code uses at test time and the paper everywhere;
    `anchored` (A (S - min S) + min S) is what that code trains with.
    """
    cas, attention = video.cas.astype(np.float64), video.attention.astype(np.float64)[:, None]
    if mode == "product":
        return cas * attention
    if mode != "anchored":
        raise WstalError(f"suppression {mode!r} is not one of product, anchored")
    floor = cas.min(1, keepdims=True)
    return attention * (cas - floor) + floor


def video_level(cas: np.ndarray, divisor: int) -> np.ndarray:
    """Class probabilities `[C]`: softmax over C+1 of the mean of the top floor(T / divisor)."""
    k = max(1, len(cas) // divisor)
    strongest = np.partition(cas, len(cas) - k, axis=0)[-k:]
    return softmax(strongest.mean(0))[:-1]
