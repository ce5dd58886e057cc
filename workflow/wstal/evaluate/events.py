"""Per-second event classification, AVE's task: its labels, a run's predictions, accuracy.

Each second of a video has one class; background is the last class index.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from wstal.base.errors import WstalError
from wstal.base.hdf5_files import open_hdf5
from wstal.evaluate.ground_truth import Coverage, GroundTruth, coverage_of
from wstal.evaluate.protocols import Protocol, split_annotated
from wstal.localize.scores import ScoreHistory, Scores, read_scores

Events = Mapping[str, np.ndarray]  # per video the class of each second, background last


def event_accuracy(events: np.ndarray, labels: np.ndarray, classes: int) -> dict[str, Any]:
    """Return the share of seconds classified correctly; background is class `classes` (the last).

    `events` and `labels` are integer `[V, T]`. Returns fractions, `accuracy` and `recall` `[C+1]`
    per class (NaN for a class that does not occur), and the number of `seconds`. All seconds of
    all videos count, those of background too (Tian et al., ECCV 2018).

    Raises WstalError for unequal shapes, no seconds, or a class outside 0..C.
    """
    events, labels = np.asarray(events), np.asarray(labels)
    if events.shape != labels.shape or not labels.size:
        raise WstalError(
            f"events {events.shape} and labels {labels.shape} must agree and not be empty"
        )
    for name, values in (("events", events), ("labels", labels)):
        if values.min() < 0 or values.max() > classes:
            raise WstalError(
                f"{name} are in {values.min()}..{values.max()}; with {classes} classes they must "
                f"be in 0..{classes}, {classes} for background"
            )
    right, counts = events == labels, np.bincount(labels.ravel(), minlength=classes + 1)
    found = np.bincount(labels[right], minlength=classes + 1)
    return {
        "accuracy": float(right.mean()),
        "recall": np.divide(found, counts, out=np.full(classes + 1, np.nan), where=counts > 0),
        "seconds": int(labels.size),
    }


def event_labels(
    ground_truth: pd.DataFrame, ids: list[str], classes: list[str], seconds: int = 10
) -> np.ndarray:
    """Return the class of each second of each video, int64 `[V, seconds]`, background = C.

    A second belongs to the event that covers its middle; seconds outside all events are
    background. `ground_truth` is a frame video_id, t_start, t_end, label (seconds).
    """
    labels = np.full((len(ids), seconds), len(classes), dtype=np.int64)
    row, column = {v: i for i, v in enumerate(ids)}, {c: i for i, c in enumerate(classes)}
    middle = np.arange(seconds) + 0.5
    for item in ground_truth[ground_truth["video_id"].isin(row)].itertuples(index=False):
        covered = (item.t_start <= middle) & (middle < item.t_end)
        labels[row[item.video_id], covered] = column[item.label]
    return labels


def classify_seconds(cas: np.ndarray, t0: float, step: float, seconds: int = 10) -> np.ndarray:
    """Return the likeliest class of each second: `[T, C+1]` -> int64 `[seconds]`.

    A second takes the class of the snippet over its middle; snippet i spans
    `[t0 + i step, t0 + (i + 1) step)`. If there is none, because a video file ends early, it takes
    the nearest snippet's. Of equal classes the first is taken. (CAVF: argmax over the classes and
    background.)
    """
    snippet = np.floor((np.arange(seconds) + 0.5 - t0) / step).astype(np.int64)
    return np.asarray(cas).argmax(axis=1)[np.clip(snippet, 0, len(cas) - 1)]


def read_events(path: str | Path, classes: list[str], seconds: int) -> dict[str, np.ndarray]:
    """Read scores.h5: per video the likeliest class of each second, int64 `[seconds]`.

    Indices refer to `classes`, background last. Raises WstalError if the file's classes differ.
    """
    return _events(read_scores(path), path, classes, seconds)


def read_event_history(
    path: str | Path, classes: list[str], seconds: int
) -> dict[int, dict[str, np.ndarray]]:
    """Read scores_by_iteration.h5: the events of each evaluation interval by iteration."""
    return {each.iteration: _events(each, path, classes, seconds) for each in ScoreHistory(path)}


def _events(
    scores: Scores, path: str | Path, classes: list[str], seconds: int
) -> dict[str, np.ndarray]:
    columns = [*class_columns(scores, path, classes), len(classes)]
    return {
        video: classify_seconds(values.cas[:, columns], scores.t0, scores.step_of(video), seconds)
        for video, values in scores.videos.items()
    }


def read_score_grid(path: str | Path) -> tuple[float, float]:
    """Read the step of the snippets and the start of the first, in seconds, from scores.h5."""
    with open_hdf5(path) as file:
        return float(file.attrs["step"]), float(file.attrs["t0"])


def class_columns(scores: Scores, path: str | Path, classes: list[str]) -> list[int]:
    """Return the columns of `classes` in a score file; raise WstalError if its classes differ."""
    stored = scores.classes
    if set(stored) != set(classes):
        raise WstalError(
            f"{path}: its classes {stored} are not the ground truth's {classes}; "
            "the run was trained on other annotations, train it again"
        )
    return [stored.index(name) for name in classes]


@dataclass(frozen=True)
class Judged:
    """What is scored: the true and the given class of each second, int `[V, S]`, and coverage."""

    videos: list[str]
    labels: np.ndarray
    given: np.ndarray
    coverage: Coverage

    @property
    def share_right(self) -> np.ndarray:
        """The share of correct seconds per video, `[V]`."""
        return (self.given == self.labels).mean(axis=1)


def judge(truth: GroundTruth, protocol: Protocol, events: Events) -> Judged:
    """Pair the true and the given class of each second that a protocol scores.

    Videos that nobody annotated are left out. Videos without events are left out under
    `restricted`; under `missing_is_miss` all their seconds are wrong.
    """
    expected, others = split_annotated(truth, protocol)
    videos = [video for video in expected if video in events]
    instances = truth.segments(expected)
    coverage = coverage_of(instances, expected, set(videos), protocol.videos, others)
    if protocol.coverage_rule == "missing_is_miss":
        videos = expected
    labels = event_labels(truth.segments(videos), videos, truth.classes, protocol.seconds)
    given = (labels + 1) % (len(truth.classes) + 1)  # any class but the right one
    for row, video in enumerate(videos):
        if video in events:
            given[row] = events[video]
    return Judged(videos, labels, given, coverage)
