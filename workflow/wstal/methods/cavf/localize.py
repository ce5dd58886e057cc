"""CAVF's localization: two thresholds, of classes and along time.

It follows W-TALC, which the paper names: first classes, then snippets of each class, both by
thresholds that the video itself sets. Segments are ranges of snippets inside, seconds at the
border. Where seconds are scored (AVE), each second has its likeliest class and none of this runs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from wstal.base.settings import Count, NonNegative
from wstal.localize.proposals import all_rows, class_rows, detection_frame
from wstal.localize.scores import Scores, VideoScores
from wstal.localize.segments import NmsSettings, ThresholdSettings, runs_above, suppress_overlaps
from wstal.methods.contract import LocalizationHalf


@dataclass(frozen=True)
class LocalizeSettings:
    """The `localize` section: from scores to proposals; a change here does not retrain."""

    # Where thresholds lie between a class's smallest and largest probability in a video; W-TALC:
    # one, half-way. Several (0.1 to 0.9, 9 of them, say) want an nms.
    thresholds: ThresholdSettings = ThresholdSettings(0.5, 0.5, 1)
    shortest: Count = 2  # segments of fewer snippets are left out (W-TALC)
    video_weight: NonNegative = 0.7  # of the class's video score in a segment's score (W-TALC)
    # Null: none (W-TALC) | {kind: soft, sigma: 0.3, iou: 0.55, plus_one: false}, say.
    nms: NmsSettings | None = None


def localize(scores: Scores, settings: LocalizeSettings) -> pd.DataFrame:
    """Return detections of all videos: video_id, t_start, t_end (seconds), label, score.

    Videos in the order of `scores`, classes ascending, then in the order suppression chose.
    """
    return detection_frame(scores, lambda video: proposals(video, settings))


def proposals(video: VideoScores, settings: LocalizeSettings) -> np.ndarray:
    """Proposals of one video: float64 `[N, 4]` of first, last + 1 (snippets), class, score.

    A class's thresholds lie at shares of the way from its smallest to its largest probability in
    the video (W-TALC's code: one, half-way); a segment's score is its peak and a part of the
    class's video score. differs from paper: it gives no score and no threshold along time.
    """
    sequences, shares = class_sequences(video), settings.thresholds.grid()
    found = []
    for label in classes_above_mean(video.video_score):
        sequence = sequences[:, label]
        low, high = sequence.min(), sequence.max()
        segments = runs_above(sequence, low + shares * (high - low), shortest=settings.shortest)
        peaks = np.array([sequence[start:stop].max() for start, stop in segments])
        score = peaks + settings.video_weight * float(video.video_score[label])
        order = np.arange(len(segments))
        if settings.nms:
            order, score = suppress_overlaps(segments, score, settings.nms)
        found.append(class_rows(segments[order], label, score))
    return all_rows(found)


def classes_above_mean(video_scores: np.ndarray) -> np.ndarray:
    """Return the classes whose video score is not below the mean over all classes (paper)."""
    video_scores = np.asarray(video_scores, dtype=np.float64)
    # A mean of equal numbers may round to above them: the best class is always kept.
    return np.flatnonzero(video_scores >= min(video_scores.mean(), video_scores.max()))


def class_sequences(video: VideoScores) -> np.ndarray:
    """Return the probability of each class at each snippet, float64 `[T, C]`: mu p_ac.

    It is the product of `attention` (mu) and the classes' shares of what is not background, so that
    an attention of 1 leaves the classes' shares alone.
    """
    classes = video.cas[:, :-1].astype(np.float64)
    some = classes.sum(1, keepdims=True)
    shares = np.divide(classes, some, out=np.zeros_like(classes), where=some > 0)
    return shares * video.attention.astype(np.float64)[:, None]


LOCALIZATION = LocalizationHalf(name="cavf", settings=LocalizeSettings, localize=localize)
