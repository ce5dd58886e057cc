"""Detections of runs that name a class for every second: what their answers look like in time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from wstal.localize.detections import all_rows, class_rows, detection_frame
from wstal.localize.scores import Scores, VideoScores
from wstal.localize.segments import runs


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


# FOLDED The same localization without what the model learned about time.


def constant_attention(scores: Scores) -> Scores:
    """Scores with one attention at every snippet: what classification alone would find.

    It is 1, for attentions that are no shares but unbounded the highest of all videos: one that
    passes any threshold.
    """
    top = max([1.0, *(float(v.attention.max()) for v in scores.videos.values())])
    videos = {
        video: replace(
            v,
            attention=np.full_like(v.attention, top),
            attentions={name: np.full_like(a, top) for name, a in v.attentions.items()},
        )
        for video, v in scores.videos.items()
    }
    return replace(scores, videos=videos)
