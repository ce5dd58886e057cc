"""CAVF's localization: two thresholds, of classes and along time.

It follows W-TALC, which the paper names: first classes, then snippets of each class, both
by thresholds that the video itself sets. Segments are snippet ranges inside, seconds at the
border.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from wstal.localize.detections import all_rows, class_rows, detection_frame
from wstal.localize.nms import suppress_overlaps
from wstal.localize.scores import Scores, VideoScores
from wstal.localize.segments import runs_above


def localize(scores: Scores, config: Mapping[str, Any]) -> pd.DataFrame:
    """Detections of all videos: video_id, t_start, t_end (seconds), label, score.

    `config` is the `localize` section of the run's config. Videos in the order of `scores`,
    classes ascending, then in the order suppression chose.
    """
    return detection_frame(scores, lambda video: proposals(video, config))


def proposals(video: VideoScores, settings: Mapping[str, Any]) -> np.ndarray:
    """Proposals of one video: float64 `[N, 4]` of first, last + 1 (snippets), class, score.

    A class's thresholds lie at shares of the way from its smallest to its largest probability
    in the video (W-TALC's code: one, half-way); a segment scores its peak and a part of the
    class's video score. differs from paper: it gives no score and no threshold along time.
    """
    sequences, shares = class_sequences(video), np.linspace(**settings["thresholds"])
    found = []
    for label in classes_above_mean(video.video_score):
        sequence = sequences[:, label]
        low, high = sequence.min(), sequence.max()
        segments = runs_above(sequence, low + shares * (high - low), shortest=settings["shortest"])
        peaks = np.array([sequence[start:stop].max() for start, stop in segments])
        score = peaks + settings["video_weight"] * float(video.video_score[label])
        order = np.arange(len(segments))
        if settings["nms"]:
            order, score = suppress_overlaps(segments, score, settings["nms"])
        found.append(class_rows(segments[order], label, score))
    return all_rows(found)


def classes_above_mean(video_scores: np.ndarray) -> np.ndarray:
    """Classes whose video score is not below the mean over all classes (paper)."""
    video_scores = np.asarray(video_scores, dtype=np.float64)
    # A mean of equal numbers may round to above them: the best class is always kept.
    return np.flatnonzero(video_scores >= min(video_scores.mean(), video_scores.max()))


def class_sequences(video: VideoScores) -> np.ndarray:
    """Probability of each class at each snippet, float64 `[T, C]`: mu p_ac.

    Put together from `attention` (mu) and the classes' shares of what is not background, so
    that an attention of 1 leaves what the classes alone say.
    """
    classes = video.cas[:, :-1].astype(np.float64)
    some = classes.sum(1, keepdims=True)
    shares = np.divide(classes, some, out=np.zeros_like(classes), where=some > 0)
    return shares * video.attention.astype(np.float64)[:, None]
