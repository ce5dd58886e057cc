"""TS-SAM's localization: thresholds on an upsampled sequence, outer-inner score, hard NMS.

Where the paper leaves a step open, the default is what the closest relative with code does
(ACM-Net, commit 4d38dc6), and a named setting has the other reading.
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
    Points,
    ThresholdSettings,
    kept_classes,
    outer_inner,
    runs_above,
    suppress_overlaps,
)
from wstal.methods.contract import LocalizationHalf

Sequence = Literal["class", "logit", "attention", "both"]
Align = Literal["start", "centre"]


@dataclass(frozen=True)
class LocalizeSettings:
    """The `localize` section: from scores to proposals; a change here does not retrain."""

    # What is thresholded and scored: each class's probability, softmax(z)[c] | logit: z[c] itself,
    # as printed | attention: a_fg | both: the probability and a_fg are thresholded, the
    # probability is scored (ACM-Net)
    sequence: Sequence = "class"
    # both: share of a_fg in the sequence that is scored (ACM-Net: 0, and 0.4 on ActivityNet)
    attention_share: Share = 0.0
    # Classes of a lower video score are dropped (paper); if none reaches it, the best one is kept.
    class_threshold: Share = 0.1
    upsample: Count = 20  # points per snippet, linear in between (ACM-Net)
    align: Align = "start"  # where in a snippet its own score is: start (ACM-Net) | centre
    thresholds: ThresholdSettings = ThresholdSettings(0.1, 0.9, 33)  # paper, step 0.025
    # both: those of a_fg (ACM-Net: 0.15 to 0.95 in steps of 0.05, beside 0.15 and 0.2 for the
    # probability); null: `thresholds`, too
    attention_thresholds: ThresholdSettings | None = None
    shortest: Count = 2  # points that a segment has at least
    # Surroundings on either side that a segment is contrasted with: a share of its length (paper).
    outer_margin: NonNegative = 0.2
    # Those within the video are averaged (ACM-Net) | fixed: as if 0 lay beyond (paper's formula).
    outer_points: Points = "existing"
    video_weight: NonNegative = 0.2  # of the class's video score in a segment's score (paper)
    # Hard, IoU 0.5 on both datasets (paper; ACM-Net: 0.55 and 0.9). ACM-Net adds a second to
    # lengths; here they are not changed.
    nms: NmsSettings = NmsSettings(kind="hard", sigma=0.3, iou=0.5, plus_one=False)


def localize(scores: Scores, settings: LocalizeSettings) -> pd.DataFrame:
    """Return detections of all videos: video_id, t_start, t_end (seconds), label, score.

    Videos in the order of `scores`, classes ascending, then the best first.
    """
    return detection_frame(scores, lambda video: proposals(video, settings))


def proposals(video: VideoScores, settings: LocalizeSettings) -> np.ndarray:
    """Proposals of one video: float64 `[N, 4]` of start, end (snippets), class, score."""
    factor = settings.upsample
    # differs from paper: it says that frames below the threshold are discarded; ones of a class
    # are meant, whose video score y_fg is compared.
    kept = kept_classes(video.video_score, settings.class_threshold)
    attention = upsampled(video.attention, factor, settings.align)
    found = []
    for label, sequence in zip(kept, sequences(video, kept, settings.sequence).T, strict=True):
        points = upsampled(sequence, factor, settings.align)
        segments = cut(points, attention, settings)
        if settings.sequence == "both":
            share = settings.attention_share
            points = (1 - share) * points + share * attention
        margin, count = settings.outer_margin, settings.outer_points
        contrast = outer_inner(points[:, None], segments, margin, count)
        score = contrast[:, 0] + settings.video_weight * video.video_score[label]
        order, score = suppress_overlaps(segments, score, settings.nms)
        found.append(class_rows(segments[order] / factor, label, score))
    return all_rows(found)


def cut(points: np.ndarray, attention: np.ndarray, settings: LocalizeSettings) -> np.ndarray:
    """Return the segments of one class, int64 `[N, 2]` in points.

    `points` and `attention` are the upsampled sequence of the class and a_fg.
    """
    grid, shortest = settings.thresholds.grid(), settings.shortest
    segments = runs_above(points, grid, shortest=shortest)
    if settings.sequence != "both":
        return segments
    own = settings.attention_thresholds
    more = runs_above(attention, own.grid() if own else grid, shortest=shortest)
    return np.concatenate([segments, more])


def sequences(video: VideoScores, classes: np.ndarray, kind: Sequence) -> np.ndarray:
    """Return the sequence of each class, float64 `[T, K]`.

    `class` and `both`: the class's probability, softmax over C+1 of z = a_fg p; `logit`: z;
    `attention`: a_fg for every class, by which the attention branch localizes (Tables 5, 6).
    """
    attention = video.attention.astype(np.float64)[:, None]
    if kind == "attention":
        return np.repeat(attention, len(classes), axis=1)
    attended = attention * video.cas
    return (attended if kind == "logit" else softmax(attended))[:, classes]


def upsampled(sequence: np.ndarray, factor: int, align: Align) -> np.ndarray:
    """Interpolate `[T]` to float64 `[T factor]`; beyond the ends a value is repeated.

    Segments can then begin and end within a snippet. Point k spans [k, k+1) / factor snippets.
    With `start` it takes the value at k / factor and a snippet's own value is that of its start, as
    in ACM-Net's code (which finds every segment about half a snippet early); with `centre` a
    snippet's value is that of its middle.
    """
    points = np.arange(len(sequence) * factor)
    place = points / factor if align == "start" else (points + 0.5) / factor - 0.5
    return np.interp(place, np.arange(len(sequence)), np.asarray(sequence, dtype=np.float64))


LOCALIZATION = LocalizationHalf(name="tssam", settings=LocalizeSettings, localize=localize)
