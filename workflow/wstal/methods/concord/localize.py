"""Concord's localization: every point's boundaries, scored by its class, and soft-NMS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from wstal.base.settings import Count, NonNegative, Share
from wstal.localize.proposals import all_rows, class_rows, detection_frame
from wstal.localize.scores import Scores, VideoScores
from wstal.localize.segments import (
    NmsSettings,
    ThresholdSettings,
    kept_classes,
    outer_inner,
    runs_above,
    suppress_overlaps,
)
from wstal.methods.contract import LocalizationHalf


@dataclass(frozen=True)
class LocalizeSettings:
    """The `localize` section: from scores to proposals; a change here does not retrain."""

    # points: the boundaries of each point | thresholds: where the snippets' probability of
    # the class is above thresholds, scored by its contrast with the surroundings
    segments: Literal["points", "thresholds"] = "points"
    class_threshold: Share = 0.1  # of the video's score; the best class is always kept
    point_threshold: Share = 0.02  # points of a lower probability are dropped
    most: Count = 200  # points of a class that are kept, the likeliest
    # Of `thresholds`: relative to the highest probability in the video.
    thresholds: ThresholdSettings = ThresholdSettings(0.1, 0.9, 9)
    outer_margin: NonNegative = 0.25  # surroundings on either side, a share of the length
    video_weight: NonNegative = 0.2  # exponent of the video's score, a factor of a segment's
    nms: NmsSettings = NmsSettings(kind="soft", sigma=0.2, iou=0.5, plus_one=False)


def localize(scores: Scores, settings: LocalizeSettings) -> pd.DataFrame:
    """Return detections of all videos: video_id, t_start, t_end (seconds), label, score."""
    return detection_frame(scores, lambda video: proposals(video, settings))


def proposals(video: VideoScores, settings: LocalizeSettings) -> np.ndarray:
    """Proposals of one video: float64 `[N, 4]` of start, end (snippets), class, score."""
    find = of_points if settings.segments == "points" else of_thresholds
    found = []
    for label in kept_classes(video.video_score, settings.class_threshold):
        segments, score = find(video, int(label), settings)
        score = score * float(video.video_score[label]) ** settings.video_weight
        order, score = suppress_overlaps(segments, score, settings.nms)
        found.append(class_rows(segments[order], int(label), score))
    return all_rows(found)


def of_points(
    video: VideoScores, label: int, settings: LocalizeSettings
) -> tuple[np.ndarray, np.ndarray]:
    """The segments `[N, 2]` and probabilities `[N]` of a class's likeliest points."""
    bounds = video.extra["boundaries"].astype(np.float64).clip(0, len(video.cas))
    score = video.extra["point_scores"][:, label].astype(np.float64)
    kept = (score > settings.point_threshold) & (bounds[:, 1] > bounds[:, 0])
    order = np.argsort(-np.where(kept, score, -1), kind="stable")[: min(settings.most, kept.sum())]
    return bounds[order], score[order]


def of_thresholds(
    video: VideoScores, label: int, settings: LocalizeSettings
) -> tuple[np.ndarray, np.ndarray]:
    """The segments `[N, 2]` of a class above each threshold, and their contrast `[N]`."""
    sequence = video.cas[:, label].astype(np.float64)
    segments = runs_above(sequence, settings.thresholds.grid() * sequence.max())
    contrast = outer_inner(sequence[:, None], segments, settings.outer_margin)[:, 0]
    return segments.astype(np.float64), contrast.clip(0)


LOCALIZATION = LocalizationHalf(name="concord", settings=LocalizeSettings, localize=localize)
