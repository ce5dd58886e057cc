"""Two readings of scores beside a method's own: seconds with a class each, and no attention."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from wstal.localize.proposals import all_rows, class_rows, detection_frame
from wstal.localize.scores import Scores, VideoScores
from wstal.localize.segments import runs


def event_detections(scores: Scores) -> pd.DataFrame:
    """Return the stretches whose likeliest class is the same action, scored by its mean `cas`.

    They are what a run that names a class for every second finds. A frame video_id, t_start, t_end
    (seconds), label, score.
    """
    return detection_frame(scores, _stretches)


def _stretches(video: VideoScores) -> np.ndarray:
    likeliest, found = video.cas.argmax(1), []
    for label in range(video.cas.shape[1] - 1):
        segments = runs(likeliest == label)
        score = np.array([video.cas[start:stop, label].mean() for start, stop in segments])
        found.append(class_rows(segments, label, score))
    return all_rows(found)


def constant_attention(scores: Scores) -> Scores:
    """Return scores with one attention at every snippet: what classification alone would find.

    The attention is 1, or the highest of all videos where attentions are unbounded: it passes any
    threshold.
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
