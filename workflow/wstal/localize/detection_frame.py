"""From proposals in snippets to a frame of detections in seconds, the same for every method."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd

from wstal.localize.scores import Scores, VideoScores

COLUMNS = ["video_id", "t_start", "t_end", "label", "score"]


def detection_frame(scores: Scores, propose: Callable[[VideoScores], np.ndarray]) -> pd.DataFrame:
    """Detections of all videos: video_id, t_start, t_end (seconds), label, score.

    `propose` gives a video's proposals as float64 `[N, 4]` of start, end (snippets, fractions
    allowed), class, score. Videos in the order of `scores`, proposals in the order given.
    """
    parts = []
    for video, values in scores.videos.items():
        found = propose(values)
        times = scores.t0 + found[:, :2] * scores.step
        labels = [scores.classes[int(label)] for label in found[:, 2]]
        columns = [video, times[:, 0], times[:, 1], labels, found[:, 3]]
        parts.append(pd.DataFrame(dict(zip(COLUMNS, columns, strict=True))))
    parts = [part for part in parts if len(part)]
    if not parts:
        return pd.DataFrame({name: [] for name in COLUMNS})
    return pd.concat(parts, ignore_index=True)


def class_rows(segments: np.ndarray, label: int, scores: np.ndarray) -> np.ndarray:
    """Segments `[N, 2]` of one class with their scores `[N]` as rows float64 `[N, 4]`."""
    columns = (segments, np.full((len(segments), 1), label), scores[:, None])
    return np.concatenate(columns, axis=1, dtype=np.float64)


def all_rows(parts: Iterable[np.ndarray]) -> np.ndarray:
    """The rows of several classes under each other; `[0, 4]` if there are none."""
    return np.concatenate([np.empty((0, 4)), *parts])
