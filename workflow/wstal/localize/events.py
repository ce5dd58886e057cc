"""Detections of runs that name a class for every second: what their answers look like in time."""

from __future__ import annotations

import numpy as np
import pandas as pd

from wstal.localize.detection_frame import all_rows, class_rows, detection_frame
from wstal.localize.grouping import runs
from wstal.localize.scores import Scores, VideoScores


def event_detections(scores: Scores) -> pd.DataFrame:
    """Stretches whose likeliest class is the same and not background, scored by its mean `cas`.

    A frame video_id, t_start, t_end (seconds), label, score.
    """
    return detection_frame(scores, _stretches)


def _stretches(video: VideoScores) -> np.ndarray:
    likeliest, found = video.cas.argmax(1), []
    for label in range(video.cas.shape[1] - 1):
        segments = runs(likeliest == label)
        score = np.array([video.cas[start:stop, label].mean() for start, stop in segments])
        found.append(class_rows(segments, label, score))
    return all_rows(found)
