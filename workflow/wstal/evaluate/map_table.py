"""Rows of map.csv: everything that one seed's files give under one protocol, in percent.

`run_rows` reads the files and returns all rows. The rows of each measure (`detection_rows`,
`event_rows`, `video_rows`) and the choice of a checkpoint by validation or test videos follow.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from wstal.base.errors import WstalError
from wstal.evaluate.average_precision import class_mean, match, match_ap, video_map
from wstal.evaluate.detections import (
    check_detections,
    read_detections,
    read_detections_by_iteration,
)
from wstal.evaluate.events import (
    Events,
    class_columns,
    event_accuracy,
    judge,
    read_event_history,
    read_events,
)
from wstal.evaluate.ground_truth import GroundTruth, coverage_of
from wstal.evaluate.protocols import (
    Checkpoint,
    Prepared,
    Protocol,
    count_unscored,
    find_list_problems,
    listed_videos,
    prepare,
    split_annotated,
)
from wstal.evaluate.ties import tied_ap
from wstal.localize.scores import read_scores

COLUMNS = ["protocol", "checkpoint", "metric", "class", "value", "gt", "predictions", "coverage"]
ALL = "all"  # the class column of a mean over classes
OWN = "folder"  # the kind of dataset that own videos are
CHOSEN_ON_TEST = "checkpoint chosen on test"  # beside every number of best_test
Row = dict[str, Any]


def run_rows(
    truth: GroundTruth,
    protocol: Protocol,
    *,
    usable: set[str] | None = None,
    predictions: Mapping[str, Path],
    history: Path | None = None,
    scores: Path | None = None,
    score_history: Path | None = None,
    paper: Protocol | None = None,
    paper_checkpoint: Checkpoint = "last",
    warn: Callable[[str], object] = lambda line: None,
) -> list[Row]:
    """Return the rows of map.csv for all that is given of a seed.

    `predictions` maps the name of a checkpoint to its proposals.json (`last`; any other name makes
    a baseline of it), `history` has the proposals of each evaluation interval, `scores` is
    scores.h5 and `score_history` scores_by_iteration.h5, from which events are scored. Under the
    protocol `paper` (None: `protocol`) the checkpoint `paper_checkpoint` is chosen and scored,
    best_val as last if nothing can be chosen on validation. Without annotated segments only the
    video-level mAP can be scored. `warn` receives warnings for the user, line by line.

    Raises WstalError for files that do not fit the ground truth, or if nothing can be scored.
    """
    if paper is not None and paper.task != protocol.task:
        raise WstalError(
            f"the paper protocol {paper.name} scores {paper.task}, protocol {protocol.name} "
            f"{protocol.task}; choose a paper protocol of the same task"
        )
    for line in find_list_problems(truth, protocol):
        warn(line)
    theirs = paper if paper is not None and paper != protocol else None
    if protocol.task == "events":
        if scores is None:
            raise WstalError(f"protocol {protocol.name} scores events: give scores.h5 (--scores)")
        rows = []
        for own in filter(None, (protocol, theirs)):
            last = event_rows(truth, own, read_events(scores, truth.classes, own.seconds))
            others = []
            if score_history is not None:
                events = read_event_history(score_history, truth.classes, own.seconds)
                others = event_checkpoint_rows(truth, own, events)
            found = last + others
            rows += found if own is protocol else rows_of_checkpoint(found, paper_checkpoint)
        return rows
    rows: list[Row] = []
    if has_segments(truth, protocol):
        detections = {
            checkpoint: read_scored_detections(truth, protocol, path, warn)
            for checkpoint, path in predictions.items()
        }
        iterations = read_known_history(truth, history, protocol, warn) if history else {}
        for checkpoint, found in detections.items():
            prepared = prepare(truth, found, protocol, usable)
            rows += detection_rows(prepared, protocol, checkpoint)
        rows += checkpoint_rows(truth, protocol, iterations, usable)
        if theirs is not None:
            found = checkpoint_rows(truth, theirs, iterations, usable, [paper_checkpoint])
            if "last" in detections:
                prepared = prepare(truth, detections["last"], theirs, usable)
                found += detection_rows(prepared, theirs, "last")
            rows += rows_of_checkpoint(found, paper_checkpoint)
    if scores is not None:
        rows += video_rows(truth, protocol, read_video_scores(scores, truth.classes))
    if not rows and has_segments(truth, protocol):
        raise WstalError("nothing to score: give detections (--predictions) or --scores")
    if not rows:
        raise WstalError(
            f"{truth.source}: no video that protocol {protocol.name} scores has annotated "
            "segments, and no scores are given: nothing can be scored (--scores scores.h5 gives "
            "the video-level mAP)"
        )
    return rows


def rows_of_checkpoint(rows: Sequence[Row], checkpoint: Checkpoint) -> list[Row]:
    """Return the rows of a checkpoint; of best_val, those of last where there are none."""
    chosen = [row for row in rows if row["checkpoint"] == checkpoint]
    if chosen or checkpoint != "best_val":
        return chosen
    return [row for row in rows if row["checkpoint"] == "last"]


def read_known_detections(
    truth: GroundTruth,
    path: Path,
    protocol: Protocol | None = None,
    warn: Callable[[str], object] = lambda line: None,
) -> pd.DataFrame:
    """Read detections; raise WstalError for a video or label that is not in the ground truth.

    Under a protocol of own videos, `keep_annotated` leaves out some of them instead.
    """
    frame = keep_annotated(truth, protocol, {"": read_detections(path)}, path, warn)[""]
    check_detections(frame, truth.subset, truth.classes, path)
    return frame


def keep_annotated(
    truth: GroundTruth,
    protocol: Protocol | None,
    frames: Mapping[Any, pd.DataFrame],
    source: Path,
    warn: Callable[[str], object],
) -> Mapping[Any, pd.DataFrame]:
    """Return the detections in own videos that are annotated; `warn` receives what is left out.

    The segments.csv of own videos names only those, and the classes that occur there: one without
    an instance has no AP, so leaving it out changes no mean. What may be misspelt stays, for
    `check_detections` to refuse: everything, if no name is known, and a class that is like a known
    one. `frames` are those of one file.
    """
    if protocol is None or OWN not in protocol.kinds:
        return frames
    columns = ("video_id", truth.subset, "videos"), ("label", truth.classes, "classes")
    for column, known, what in columns:
        named = set().union(*(frame[column] for frame in frames.values()))
        others = named - set(known)
        if what == "classes":
            others = {name for name in others if not _is_like(name, known)}
        if not others or others == named:
            continue
        outside = {key: frame[column].isin(others) for key, frame in frames.items()}
        frames = {key: frame[~outside[key]].reset_index(drop=True) for key, frame in frames.items()}
        warn(
            f"{source}: {sum(each.sum() for each in outside.values())} detections of {len(others)} "
            f"{what} without annotated segments in {truth.source}, such as {min(others)!r}, are "
            "left out. If segments are there under another name (it has names such as "
            f"{next(iter(known))!r}), rename them"
        )
    return frames


def _is_like(name: Any, known: Collection[Any]) -> bool:
    """Return whether a label may be a known one misspelt; so may one that is no text."""
    named = [str(each).lower() for each in known]
    return not isinstance(name, str) or bool(get_close_matches(name.lower(), named, 1, 0.8))


def read_scored_detections(
    truth: GroundTruth, protocol: Protocol, path: Path, warn: Callable[[str], object]
) -> pd.DataFrame:
    """Read known detections; `warn` receives how many the protocol does not score, if any."""
    found = read_known_detections(truth, path, protocol, warn)
    if line := count_unscored(truth, protocol, found):
        warn(f"{path}: {line}")
    return found


def read_known_history(
    truth: GroundTruth,
    path: Path,
    protocol: Protocol | None = None,
    warn: Callable[[str], object] = lambda line: None,
) -> dict[int, pd.DataFrame]:
    """Read detections by iteration; what is not in the ground truth as `read_known_detections`."""
    found = read_detections_by_iteration(path)
    frames = dict(keep_annotated(truth, protocol, found, path, warn))
    for frame in frames.values():
        check_detections(frame, truth.subset, truth.classes, path)
    return frames


def require_one_per_seed(files: Sequence[Path], histories: Sequence[Path]) -> None:
    """Raise WstalError unless there is one history for each file, or none at all."""
    if histories and len(histories) != len(files):
        raise WstalError(
            f"{len(files)} files of the last iterate and {len(histories)} by iteration; give one "
            "of each per seed"
        )


def read_event_seeds(
    truth: GroundTruth, protocol: Protocol, scores: Sequence[Path], histories: Sequence[Path]
) -> list[tuple[Events, dict[int, Events]]]:
    """Read the events of each seed: those of its scores.h5, and those by iteration if given.

    Raises WstalError unless `histories` has one file per seed, or none at all.
    """
    require_one_per_seed(scores, histories)
    known = truth.classes, protocol.seconds
    by_iteration = [read_event_history(path, *known) for path in histories]
    last = [read_events(path, *known) for path in scores]
    return list(zip(last, by_iteration or [{} for _ in last], strict=True))


def read_video_scores(path: str | Path, classes: list[str]) -> dict[str, np.ndarray]:
    """Read scores.h5: per video the score of each class `[C]`, in the order of `classes`.

    Raises WstalError if the file's classes differ from the ground truth's.
    """
    scores = read_scores(path)
    columns = class_columns(scores, path, classes)
    return {video: values.video_score[columns] for video, values in scores.videos.items()}


def has_segments(truth: GroundTruth, protocol: Protocol) -> bool:
    """Return whether detections can be scored: some listed video has annotated segments."""
    return bool(len(truth.segments(split_annotated(truth, protocol)[0])))


def detection_rows(
    prepared: Prepared, protocol: Protocol, checkpoint: str, spans: bool = False
) -> list[Row]:
    """Return mAP per threshold and average, over all classes and for each with ground truth.

    With `spans`, the means over classes also have `worst` and `best` over the orders of ties.
    """
    matches = match(prepared.ground_truth, prepared.predictions, protocol.tious, prepared.classes)
    gt = matches.instances.sum(axis=0)
    predictions = np.bincount(matches.label, minlength=len(matches.classes))
    head = {"protocol": protocol.name, "checkpoint": checkpoint}
    tail = {"coverage": str(prepared.coverage)}
    rows = []
    values = match_ap(matches)
    if protocol.ties != "stable":
        values = prepared_ap(prepared, protocol.tious, protocol.ties)
    has_ties = prepared.predictions.duplicated(["label", "score"]).any()
    ends = tie_span(prepared, protocol) if spans and has_ties else {}
    for metric, ap in metric_values(protocol, values).items():
        counts = {"gt": int(gt.sum()), "predictions": len(prepared.predictions)}
        overall = {"metric": metric, "class": ALL, "value": percent(class_mean(ap))}
        span = dict(zip(("worst", "best"), ends.get(metric, ()), strict=False))
        rows.append({**head, **overall, **counts, **tail, **span})
        for index in np.flatnonzero(gt):
            counts = {"gt": int(gt[index]), "predictions": int(predictions[index])}
            one = {"metric": metric, "class": prepared.classes[index], "value": percent(ap[index])}
            rows.append({**head, **one, **counts, **tail})
    return rows


def metric_values(protocol: Protocol, ap: np.ndarray) -> dict[str, np.ndarray]:
    """Return per metric (mAP@0.50, mAP@0.1:0.7, ...) the AP per class `[C]`, from AP `[I, C]`."""
    values = {f"mAP@{tiou:.2f}": ap[i] for i, tiou in enumerate(protocol.tious)}
    for average in protocol.averages:
        values[f"mAP@{average}"] = ap[protocol.average_indices(average)].mean(axis=0)
    return values


def event_rows(
    truth: GroundTruth, protocol: Protocol, events: Events, checkpoint: str = "last"
) -> list[Row]:
    """Return the per-second accuracy of `events`, over all seconds and per class (its recall)."""
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


def video_rows(
    truth: GroundTruth,
    protocol: Protocol,
    scores: Mapping[str, np.ndarray],
    checkpoint: str = "last",
) -> list[Row]:
    """Return the video-level mAP of `scores` (per video `[C]` in the order of the classes).

    Videos without labels are left out, whether their segments are annotated or not. Videos without
    scores rank last in every class under `missing_is_miss` and are left out under `restricted`.
    """
    listed = listed_videos(truth, protocol)
    videos = [video for video in listed if video not in truth.unlabelled]
    others = len(listed) - len(videos)
    left_out = f"{others} not labelled" if others else ""
    instances = truth.segments(videos)
    coverage = coverage_of(instances, videos, set(scores), protocol.videos, left_out)
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
            "protocol": protocol.name,
            "checkpoint": checkpoint,
            "metric": "video_mAP",
            "class": name,
            "value": percent(value),
            "gt": count,
            "predictions": len(videos),
            "coverage": str(coverage),
        }
        for name, value, count in named
    ]


def tie_span(prepared: Prepared, protocol: Protocol) -> dict[str, tuple[float, float]]:
    """Return the worst and the best mean (percent) over the orders of equal scores, by metric."""
    ends = [
        metric_values(protocol, prepared_ap(prepared, protocol.tious, ties))
        for ties in ("worst", "best")
    ]
    return {name: tuple(100 * float(class_mean(end[name])) for end in ends) for name in ends[0]}


def percent(fraction: float) -> float | str:
    """Return a fraction in percent with at most six decimals; empty text for NaN."""
    return "" if np.isnan(fraction) else round(100 * float(fraction), 6)


def checkpoint_rows(
    truth: GroundTruth,
    protocol: Protocol,
    iterations: Mapping[int, pd.DataFrame],
    usable: set[str] | None,
    wanted: Collection[Checkpoint] = ("best_val", "best_test"),
    spans: bool = False,
) -> list[Row]:
    """Return rows of best_test, and of best_val if validation videos are annotated and scored.

    The iteration with the greatest `select` average is taken (the first of equals); a row of the
    metric `iteration` names it. best_test chooses the checkpoint on the videos that are scored.
    """
    rows = []
    for name, subset in (("best_val", "val"), ("best_test", "test")):
        if name not in wanted:
            continue
        best = best_iteration(truth, protocol, iterations, usable, subset)
        if best is not None:
            prepared = prepare(truth, iterations[best], protocol, usable)
            found = detection_rows(prepared, protocol, name, spans)
            counts = {key: found[0][key] for key in ("gt", "predictions", "coverage")}
            head = {"protocol": protocol.name, "checkpoint": name, "metric": "iteration"}
            rows += [*found, {**head, "class": ALL, "value": best, **counts}]
    return rows


def best_iteration(
    truth: GroundTruth,
    protocol: Protocol,
    iterations: Mapping[int, pd.DataFrame],
    usable: set[str] | None,
    subset: str,
) -> int | None:
    """Return the best iteration on a subset; None if nothing of it is annotated or scored.

    None also for validation videos that the protocol scores: the choice would be made on them.
    """
    if subset != "test":
        if subset in protocol.subsets:
            return None
        protocol = protocol.on_subset(subset)
        ids = {video for video, name in truth.subset.items() if name == subset}
        ids -= truth.unannotated
        scored = any(frame["video_id"].isin(ids).any() for frame in iterations.values())
        if not scored or not len(truth.segments(ids)):
            return None
    values = {
        iteration: selected_value(prepare(truth, frame, protocol, usable), protocol)
        for iteration, frame in iterations.items()
    }
    return max(values, key=values.__getitem__, default=None)


def selected_value(prepared: Prepared, protocol: Protocol) -> float:
    """Return the average by which the protocol chooses a checkpoint, a fraction."""
    inside = protocol.average_indices(protocol.select)
    tious = [protocol.tious[i] for i in inside]
    return float(class_mean(prepared_ap(prepared, tious, protocol.ties)).mean())


def prepared_ap(prepared: Prepared, tious: Sequence[float], ties: str) -> np.ndarray:
    """Return `tied_ap` of what a protocol scores: AP `[I, C]`."""
    found = prepared.ground_truth, prepared.predictions
    return tied_ap(*found, tious, prepared.classes, ties)


def event_checkpoint_rows(
    truth: GroundTruth,
    protocol: Protocol,
    iterations: Mapping[int, Events],
) -> list[Row]:
    """Return rows of best_val, if validation videos are annotated and scored, and of best_test.

    The iteration of the greatest accuracy is taken (the first of equals); a row of the metric
    `iteration` names it. best_test is chosen on the same seconds on which it is scored.
    """
    chosen = []
    if "val" not in protocol.subsets:  # or else the choice would be made on what is scored
        chosen.append(("best_val", protocol.on_subset("val")))
    chosen.append(("best_test", protocol))
    rows = []
    for name, choice in chosen:
        best = best_event_iteration(truth, choice, iterations)
        if best is not None:
            found = event_rows(truth, protocol, iterations[best], name)
            counts = {key: found[0][key] for key in ("gt", "predictions", "coverage")}
            head = {"protocol": protocol.name, "checkpoint": name, "metric": "iteration"}
            rows += [*found, {**head, "class": ALL, "value": best, **counts}]
    return rows


def best_event_iteration(
    truth: GroundTruth, protocol: Protocol, iterations: Mapping[int, Events]
) -> int | None:
    """Return the iteration of the greatest accuracy; None if the subsets have nothing to score."""
    ids = {video for video, name in truth.subset.items() if name in protocol.subsets}
    ids -= truth.unannotated
    if not len(truth.segments(ids)) or not any(ids & set(each) for each in iterations.values()):
        return None
    values = {
        iteration: judge(truth, protocol, events).share_right.mean()
        for iteration, events in iterations.items()
    }
    return max(values, key=values.__getitem__, default=None)


def class_table(rows: Sequence[Row], metric: str) -> str:
    """Return the classes' values of a metric as text, the best first, with what was counted."""
    own = [row for row in rows if row["class"] != ALL and row["metric"] == metric]
    lines = [
        f"{'class':<24} {metric.replace('mAP', 'AP'):>12} {'instances':>10} {'detections':>11}"
    ]
    for row in sorted(own, key=lambda row: -row["value"]):
        lines.append(
            f"{row['class']:<24} {row['value']:>12.2f} {row['gt']:>10} {row['predictions']:>11}"
        )
    return "\n".join(lines)


def format_row(row: Row) -> str:
    """Return a row as one line of text, its value with two decimals."""
    value = f"{row['value']:.2f}" if row["value"] != "" else "no value"
    line = "{protocol} {checkpoint} {metric} {shown} ({coverage})".format(**row, shown=value)
    return f"{line}: {CHOSEN_ON_TEST}" if row["checkpoint"] == "best_test" else line
