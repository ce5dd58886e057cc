"""UntrimmedNet's own localization: the class sequence over half of its maximum.

The order of steps and the quirks are those of the authors' Matlab detector (commit 76ec6a3), each
quirk a named setting. There snippet x covers [(15 x + 1) / fps, (15 (x + 1) + 1) / fps): the grid
of the score file, but for one frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import pandas as pd
from annotated_types import Ge

from wstal.base.settings import NonNegative, Share
from wstal.localize.proposals import all_rows, class_rows, detection_frame
from wstal.localize.scores import Scores, VideoScores
from wstal.localize.segments import runs
from wstal.methods.contract import LocalizationHalf


@dataclass(frozen=True)
class LocalizeSettings:
    """The `localize` section, the Matlab detector; a change here does not retrain."""

    class_threshold: Share = 0.1  # classes of a video score above it; a video may have none
    threshold: Share = 0.5  # share of the class sequence's maximum that a segment lies above
    # Quirk of the code: each snippet's probability is averaged with the next one's.
    average_next: bool = True
    # Quirk of the code: snippets by which segments are made longer, at their end.
    extend: Annotated[int, Ge(0)] = 1
    video_weight: NonNegative = 0.2  # of the class's video score in a segment's score


def localize(scores: Scores, settings: LocalizeSettings) -> pd.DataFrame:
    """Return detections of all videos: video_id, t_start, t_end (seconds), label, score."""
    return detection_frame(scores, lambda video: proposals(video, settings))


def proposals(video: VideoScores, settings: LocalizeSettings) -> np.ndarray:
    """Proposals of one video: float64 `[N, 4]` of first, last + 1 (snippets), class, score.

    A video whose classes all stay at or below the class threshold has none.
    """
    found = []
    for label in np.flatnonzero(video.video_score > settings.class_threshold):
        sequence = video.cas[:, label].astype(np.float64)
        if settings.average_next:
            sequence = (sequence + np.append(sequence[1:], sequence[-1])) / 2
        active = extended(sequence > settings.threshold * sequence.max(), settings.extend)
        segments = runs(active)
        total = np.concatenate([[0.0], np.cumsum(sequence)])
        start, stop = segments.T
        inside = (total[stop] - total[start]) / (stop - start)
        weighted = settings.video_weight * float(video.video_score[label])
        found.append(class_rows(segments, int(label), inside + weighted))
    return all_rows(found)


def extended(active: np.ndarray, count: int) -> np.ndarray:
    """`[T]` with every run of True made `count` snippets longer, at its end."""
    result = active.copy()
    for shift in range(1, min(count, len(active) - 1) + 1):
        result[shift:] |= active[:-shift]
    return result


LOCALIZATION = LocalizationHalf(name="untrimmednet", settings=LocalizeSettings, localize=localize)
