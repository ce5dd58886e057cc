"""Rows of map.csv: everything one seed's results are worth under one protocol, in percent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from wstal.evaluate.average_precision import class_mean, match_ap, video_map
from wstal.evaluate.ground_truth import GroundTruth, coverage_of
from wstal.evaluate.matching import match
from wstal.evaluate.protocols import Prepared, Protocol, listed_videos, prepare

COLUMNS = ["protocol", "checkpoint", "metric", "class", "value", "gt", "predictions", "coverage"]
ALL = "all"  # the class column of a mean over classes
CHOSEN_ON_TEST = "paper protocol: checkpoint chosen on test"  # beside every number of best_test
Row = dict[str, Any]


def percent(fraction: float) -> float | str:
    """A fraction in percent with ten decimals at most; empty for NaN."""
    return "" if np.isnan(fraction) else round(100 * float(fraction), 10)


def told(row: Row) -> str:
    """A row as a line to read."""
    line = "{protocol} {checkpoint} {metric} {value} ({coverage})".format(**row)
    return f"{line}: {CHOSEN_ON_TEST}" if row["checkpoint"] == "best_test" else line


def metric_values(protocol: Protocol, ap: np.ndarray) -> dict[str, np.ndarray]:
    """Per metric (mAP@0.50, mAP@0.1:0.7, ...) the AP per class `[C]`, from AP `[I, C]`."""
    values = {f"mAP@{tiou:.2f}": ap[i] for i, tiou in enumerate(protocol.tious)}
    for average in protocol.averages:
        values[f"mAP@{average}"] = ap[protocol.average_indices(average)].mean(axis=0)
    return values


def selected_value(prepared: Prepared, protocol: Protocol) -> float:
    """The average by which the protocol chooses a checkpoint, a fraction."""
    inside = protocol.average_indices(protocol.select)
    tious = [protocol.tious[i] for i in inside]
    matches = match(prepared.ground_truth, prepared.predictions, tious, prepared.classes)
    return float(class_mean(match_ap(matches)).mean())


def detection_rows(prepared: Prepared, protocol: Protocol, checkpoint: str) -> list[Row]:
    """mAP per threshold and average, over all classes and for each one with ground truth."""
    matches = match(prepared.ground_truth, prepared.predictions, protocol.tious, prepared.classes)
    gt = matches.instances.sum(axis=0)
    predictions = np.bincount(matches.label, minlength=len(matches.classes))
    head = {"protocol": protocol.name, "checkpoint": checkpoint}
    tail = {"coverage": str(prepared.coverage)}
    rows = []
    for metric, ap in metric_values(protocol, match_ap(matches)).items():
        counts = {"gt": int(gt.sum()), "predictions": len(prepared.predictions)}
        overall = {"metric": metric, "class": ALL, "value": percent(class_mean(ap))}
        rows.append({**head, **overall, **counts, **tail})
        for index in np.flatnonzero(gt):
            counts = {"gt": int(gt[index]), "predictions": int(predictions[index])}
            one = {"metric": metric, "class": prepared.classes[index], "value": percent(ap[index])}
            rows.append({**head, **one, **counts, **tail})
    return rows


def video_rows(
    truth: GroundTruth,
    protocol: Protocol,
    scores: Mapping[str, np.ndarray],
    checkpoint: str = "last",
) -> list[Row]:
    """Video-level mAP of `scores` (per video `[C]` in the order of the classes).

    Videos without scores rank last in every class under `missing_is_miss` and are left out
    under `restricted`.
    """
    videos = listed_videos(truth, protocol)
    coverage = coverage_of(truth.segments(videos), videos, set(scores), protocol.videos)
    if protocol.coverage_rule == "restricted":
        videos = [video for video in videos if video in scores]
    labels = truth.label_matrix(videos)
    lowest = min((float(values.min()) for values in scores.values()), default=0.0) - 1
    nothing = np.full(len(truth.classes), lowest)
    matrix = np.array([scores.get(video, nothing) for video in videos], dtype=float)
    result = video_map(matrix.reshape(labels.shape), labels)
    named = [(ALL, result["map"], int(labels.sum()))]
    named += [
        (name, ap, int(count))
        for name, ap, count in zip(truth.classes, result["ap"], labels.sum(axis=0), strict=True)
        if count
    ]
    return [
        {
            **{"protocol": protocol.name, "checkpoint": checkpoint, "metric": "video_mAP"},
            **{"class": name, "value": percent(value), "gt": count},
            **{"predictions": len(videos), "coverage": str(coverage)},
        }
        for name, value, count in named
    ]


def checkpoint_rows(
    truth: GroundTruth,
    protocol: Protocol,
    iterations: Mapping[int, pd.DataFrame],
    usable: set[str] | None,
    paper: Protocol | None = None,
) -> list[Row]:
    """Rows of best_test, and of best_val where validation videos are annotated and scored.

    The iteration with the greatest `select` average is taken (the first of equals), and given
    in a row of the metric `iteration`. best_test is the "paper protocol": what choosing the
    checkpoint on test, as published code does, makes of the same run. It is chosen and scored
    under `paper`, how that code scores (None: under `protocol`, as best_val always is).
    """
    rows = []
    for name, subset, own in (
        ("best_val", "val", protocol),
        ("best_test", "test", paper or protocol),
    ):
        best = best_iteration(truth, own, iterations, usable, subset)
        if best is not None:
            prepared = prepare(truth, iterations[best], own, usable)
            found = detection_rows(prepared, own, name)
            counts = {key: found[0][key] for key in ("gt", "predictions", "coverage")}
            head = {"protocol": own.name, "checkpoint": name, "metric": "iteration"}
            rows += [*found, {**head, "class": ALL, "value": best, **counts}]
    return rows


def best_iteration(
    truth: GroundTruth,
    protocol: Protocol,
    iterations: Mapping[int, pd.DataFrame],
    usable: set[str] | None,
    subset: str,
) -> int | None:
    """The best iteration on a subset; None if nothing of it is annotated or scored."""
    if subset != "test":
        protocol = protocol.on_subset(subset)
        ids = {video for video, name in truth.subset.items() if name == subset}
        scored = any(frame["video_id"].isin(ids).any() for frame in iterations.values())
        if not scored or not len(truth.segments(ids)):
            return None
    values = {
        iteration: selected_value(prepare(truth, frame, protocol, usable), protocol)
        for iteration, frame in iterations.items()
    }
    return max(values, key=values.__getitem__, default=None)


def has_segments(truth: GroundTruth, protocol: Protocol) -> bool:
    """Whether detections can be scored at all: some listed video has annotated segments."""
    return bool(len(truth.segments(listed_videos(truth, protocol))))


def frame_of(rows: Iterable[Row]) -> pd.DataFrame:
    """Rows as the frame that map.csv holds."""
    return pd.DataFrame(list(rows), columns=COLUMNS)
