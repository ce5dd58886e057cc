"""UntrimmedNet's own localization: the class sequence over half of its maximum.

The order of steps and its quirks are those of the authors' Matlab detector (commit 76ec6a3),
each quirk a named switch. There snippet x stands for [(15 x + 1) / fps, (15 (x + 1) + 1) / fps):
the grid of the score file, but for one frame.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from wstal.localize.detections import all_rows, class_rows, detection_frame
from wstal.localize.scores import Scores, VideoScores
from wstal.localize.segments import runs


def localize(scores: Scores, config: Mapping[str, Any]) -> pd.DataFrame:
    """Detections of all videos: video_id, t_start, t_end (seconds), label, score.

    `config` is the `localize` section of the run's config.
    """
    return detection_frame(scores, lambda video: proposals(video, config))


def proposals(video: VideoScores, settings: Mapping[str, Any]) -> np.ndarray:
    """Proposals of one video: float64 `[N, 4]` of first, last + 1 (snippets), class, score.

    A video whose classes all stay at or below the class threshold has none.
    """
    found = []
    for label in np.flatnonzero(video.video_score > settings["class_threshold"]):
        sequence = video.cas[:, label].astype(np.float64)
        if settings["average_next"]:
            sequence = (sequence + np.append(sequence[1:], sequence[-1])) / 2
        active = extended(sequence > settings["threshold"] * sequence.max(), settings["extend"])
        segments = runs(active)
        total = np.concatenate([[0.0], np.cumsum(sequence)])
        start, stop = segments.T
        inside = (total[stop] - total[start]) / (stop - start)
        weighted = settings["video_weight"] * float(video.video_score[label])
        found.append(class_rows(segments, int(label), inside + weighted))
    return all_rows(found)


def extended(active: np.ndarray, count: int) -> np.ndarray:
    """`[T]` with every run of True made `count` snippets longer, at its end."""
    result = active.copy()
    for shift in range(1, min(count, len(active) - 1) + 1):
        result[shift:] |= active[:-shift]
    return result
