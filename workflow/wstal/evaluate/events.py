"""Accuracy of per-second event classification, AVE's measure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from wstal.base.errors import WstalError
from wstal.evaluate.ground_truth import Coverage, GroundTruth, coverage_of
from wstal.evaluate.map_table import ALL, Row, percent
from wstal.evaluate.protocols import Protocol, listed_videos


def event_accuracy(events: np.ndarray, labels: np.ndarray, classes: int) -> dict[str, Any]:
    """Share of seconds classified rightly, background being class `classes` (the last).

    `events` and `labels` are integer `[V, T]`. Returns fractions: `accuracy`, `recall` `[C+1]`
    per class (NaN for a class that does not occur); and the number of `seconds`.
    (The protocol of Tian et al., ECCV 2018: all seconds of all videos, background too.)

    Raises WstalError for unequal shapes, no seconds, or a class outside 0..C.
    """
    events, labels = np.asarray(events), np.asarray(labels)
    if events.shape != labels.shape or not labels.size:
        raise WstalError(f"events {events.shape} and labels {labels.shape} must agree, not empty")
    for name, values in (("events", events), ("labels", labels)):
        if values.min() < 0 or values.max() > classes:
            raise WstalError(
                f"{name} lie in {values.min()}..{values.max()}; with {classes} classes they are "
                f"0..{classes}, {classes} for background"
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
    """The class of each second of each video, int64 `[V, seconds]`, background = C.

    A second belongs to the event that covers its middle; seconds outside all events are
    background. `ground_truth` is a frame video_id, t_start, t_end, label.
    """
    labels = np.full((len(ids), seconds), len(classes), dtype=np.int64)
    row, column = {v: i for i, v in enumerate(ids)}, {c: i for i, c in enumerate(classes)}
    middle = np.arange(seconds) + 0.5
    for item in ground_truth[ground_truth["video_id"].isin(row)].itertuples(index=False):
        covered = (item.t_start <= middle) & (middle < item.t_end)
        labels[row[item.video_id], covered] = column[item.label]
    return labels


def second_answers(cas: np.ndarray, t0: float, step: float, seconds: int = 10) -> np.ndarray:
    """The likeliest class of each second, background included: `[T, C+1]` -> int64 `[seconds]`.

    A second is answered by the snippet over its middle, snippet i being `[t0 + i step, t0 +
    (i + 1) step)`; where there is none, because a video file ends early, by the nearest one.
    Of equal classes the first is taken. (CAVF: argmax over the classes and background.)
    """
    snippet = np.floor((np.arange(seconds) + 0.5 - t0) / step).astype(np.int64)
    return np.asarray(cas).argmax(axis=1)[np.clip(snippet, 0, len(cas) - 1)]


# FOLDED Rows of map.csv where every second has a class: accuracy at each checkpoint, in percent.

Events = Mapping[str, np.ndarray]  # per video the class of each second, background last


@dataclass(frozen=True)
class Judged:
    """What is scored: true and given classes, int `[V, S]`, and how much of the expected it is."""

    videos: list[str]
    labels: np.ndarray
    given: np.ndarray
    coverage: Coverage

    @property
    def share_right(self) -> np.ndarray:
        """Per video the share of its seconds that are right, `[V]`."""
        return (self.given == self.labels).mean(axis=1)


def judge(truth: GroundTruth, protocol: Protocol, events: Events) -> Judged:
    """The seconds that a protocol scores.

    Videos without events are left out under `restricted`; under `missing_is_miss` all their
    seconds are wrong.
    """
    expected = listed_videos(truth, protocol)
    videos = [video for video in expected if video in events]
    coverage = coverage_of(truth.segments(expected), expected, set(videos), protocol.videos)
    wrong = len(truth.classes) + 1  # how many answers there are
    if protocol.coverage_rule == "missing_is_miss":
        videos = expected
    labels = event_labels(truth.segments(videos), videos, truth.classes, protocol.seconds)
    given = (labels + 1) % wrong  # any class but the right one
    for row, video in enumerate(videos):
        if video in events:
            given[row] = events[video]
    return Judged(videos, labels, given, coverage)


def event_rows(
    truth: GroundTruth, protocol: Protocol, events: Events, checkpoint: str = "last"
) -> list[Row]:
    """Per-second accuracy of `events`, over all seconds and within each class (its recall)."""
    judged = judge(truth, protocol, events)
    result = event_accuracy(judged.given, judged.labels, len(truth.classes))
    names = [*truth.classes, "background"]
    counts = np.bincount(judged.labels.ravel(), minlength=len(names)).tolist()
    head = {"protocol": protocol.name, "checkpoint": checkpoint, "metric": "accuracy"}
    tail = {"predictions": result["seconds"], "coverage": str(judged.coverage)}
    values = [(ALL, result["accuracy"], result["seconds"])]
    values += zip(names, result["recall"], counts, strict=True)
    return [
        {**head, "class": name, "value": percent(value), "gt": count, **tail}
        for name, value, count in values
        if count
    ]


def event_checkpoint_rows(
    truth: GroundTruth,
    protocol: Protocol,
    iterations: Mapping[int, Events],
    paper: Protocol | None = None,
) -> list[Row]:
    """Rows of best_val, where validation videos are annotated and scored, and of best_test.

    The iteration of the greatest accuracy is taken (the first of equals), and given in a row of
    the metric `iteration`. best_test is chosen and scored under `paper` (None: under
    `protocol`), on the very seconds that it is scored on, as published code does.
    """
    chosen = []
    if "val" not in protocol.subsets:  # else the choice would be made on what is scored
        chosen.append(("best_val", protocol, protocol.on_subset("val")))
    chosen.append(("best_test", paper or protocol, paper or protocol))
    rows = []
    for name, own, choice in chosen:
        best = best_event_iteration(truth, choice, iterations)
        if best is not None:
            found = event_rows(truth, own, iterations[best], name)
            counts = {key: found[0][key] for key in ("gt", "predictions", "coverage")}
            head = {"protocol": own.name, "checkpoint": name, "metric": "iteration"}
            rows += [*found, {**head, "class": ALL, "value": best, **counts}]
    return rows


def best_event_iteration(
    truth: GroundTruth, protocol: Protocol, iterations: Mapping[int, Events]
) -> int | None:
    """The iteration of the greatest accuracy; None if nothing of the subsets is scored."""
    ids = {video for video, name in truth.subset.items() if name in protocol.subsets}
    if not len(truth.segments(ids)) or not any(ids & set(each) for each in iterations.values()):
        return None
    values = {
        iteration: judge(truth, protocol, events).share_right.mean()
        for iteration, events in iterations.items()
    }
    return max(values, key=values.__getitem__, default=None)


def strict_events(
    truth: GroundTruth, protocol: Protocol, last: Events, iterations: Mapping[int, Events]
) -> tuple[str, Events]:
    """Checkpoint and events of the strict reading: best on validation where that can be told."""
    if "val" not in protocol.subsets:
        best = best_event_iteration(truth, protocol.on_subset("val"), iterations)
        if best is not None:
            return "best_val", iterations[best]
    return "last", last
