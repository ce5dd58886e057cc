"""CO2-Net's localization: attention thresholds, outer-inner score, Gaussian soft-NMS.

The order of steps and the quirks are those of the official code (commit e879687), each quirk a
named setting. Segments are ranges of snippets inside, seconds at the border.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from wstal.base.settings import Count, NonNegative, Share
from wstal.localize.proposals import all_rows, class_rows, detection_frame
from wstal.localize.scores import Scores, VideoScores, softmax
from wstal.localize.segments import (
    NmsSettings,
    ThresholdSettings,
    kept_classes,
    outer_inner,
    runs_above,
    suppress_overlaps,
)
from wstal.methods.contract import LocalizationHalf

Suppression = Literal["product", "anchored"]


@dataclass(frozen=True)
class LocalizeSettings:
    """The `localize` section: from scores to proposals; a change here does not retrain."""

    # What is thresholded: attention (code) | class: each class's softmax probability.
    sequence: Literal["attention", "class"] = "attention"
    thresholds: ThresholdSettings = ThresholdSettings(0.1, 0.9, 10)  # code
    # product: A S (code at test time, paper) | anchored: A (S - min S) + min S, as the code trains
    suppression: Suppression = "product"
    # A class's video score is the mean of its T / video_topk strongest snippets (code).
    video_topk: Count = 10
    # Classes of a lower video score are dropped (code); if none reaches it, the best one is kept.
    class_threshold: Share = 0.2
    # Surroundings on either side that a segment is contrasted with: a share of its length (code).
    outer_margin: NonNegative = 0.25
    video_weight: NonNegative = 0.2  # of the class's video score in a segment's score (code)
    # Quirk of the code: a threshold that snippet 0 alone passes yields nothing.
    skip_lone_first: bool = True
    # Gaussian soft-NMS with the code's decay and its quirk; iou is of hard NMS.
    nms: NmsSettings = NmsSettings(kind="soft", sigma=0.3, iou=0.55, plus_one=True)


def localize(scores: Scores, settings: LocalizeSettings) -> pd.DataFrame:
    """Detections of all videos: video_id, t_start, t_end (seconds), label, score.

    Videos in the order of `scores`, classes ascending, then in the order suppression chose.
    """
    return detection_frame(scores, lambda video: proposals(video, settings))


def proposals(video: VideoScores, settings: LocalizeSettings) -> np.ndarray:
    """Proposals of one video: float64 `[N, 4]` of first, last + 1 (snippets), class, score."""
    cas = suppressed(video, settings.suppression)
    video_scores = video_level(cas, settings.video_topk)
    grid = settings.thresholds.grid()
    found = []
    for label in kept_classes(video_scores, settings.class_threshold):
        if settings.sequence == "attention":
            sequence = video.attention.astype(np.float64)
        else:
            sequence = softmax(video.cas)[:, label]
        segments = runs_above(sequence, grid, skip_lone_first=settings.skip_lone_first)
        contrast = outer_inner(cas[:, label : label + 1], segments, settings.outer_margin)
        score = contrast[:, 0] + settings.video_weight * video_scores[label]
        order, score = suppress_overlaps(segments, score, settings.nms)
        found.append(class_rows(segments[order], label, score))
    return all_rows(found)


def suppressed(video: VideoScores, mode: Suppression) -> np.ndarray:
    """Background-suppressed class activation sequence, float64 `[T, C+1]`.

    `product` (A S) is what the official code uses at test time and the paper everywhere;
    `anchored` (A (S - min S) + min S) is what that code trains with.
    """
    cas, attention = video.cas.astype(np.float64), video.attention.astype(np.float64)[:, None]
    if mode == "product":
        return cas * attention
    floor = cas.min(1, keepdims=True)
    return attention * (cas - floor) + floor


def video_level(cas: np.ndarray, divisor: int) -> np.ndarray:
    """Class probabilities `[C]`: softmax over C+1 of the mean of the top floor(T / divisor)."""
    k = max(1, len(cas) // divisor)
    strongest = np.partition(cas, len(cas) - k, axis=0)[-k:]
    return softmax(strongest.mean(0))[:-1]


LOCALIZATION = LocalizationHalf(name="co2net", settings=LocalizeSettings, localize=localize)
