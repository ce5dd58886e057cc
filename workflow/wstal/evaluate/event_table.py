"""Rows of map.csv where every second has a class: accuracy at each checkpoint, in percent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from wstal.evaluate.coverage import Coverage, coverage_of
from wstal.evaluate.events import event_accuracy, event_labels
from wstal.evaluate.ground_truth import GroundTruth
from wstal.evaluate.map_table import ALL, Row, percent
from wstal.evaluate.protocols import Protocol, listed_videos

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
