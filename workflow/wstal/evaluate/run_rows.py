"""From the files of one seed to the rows of its map.csv."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from wstal.base.errors import WstalError
from wstal.evaluate.detections import (
    check_detections,
    read_detections,
    read_detections_by_iteration,
)
from wstal.evaluate.events import (
    Events,
    Judged,
    event_checkpoint_rows,
    event_rows,
    judge,
    second_answers,
    strict_events,
)
from wstal.evaluate.ground_truth import GroundTruth
from wstal.evaluate.map_table import Row, checkpoint_rows, detection_rows, has_segments, video_rows
from wstal.evaluate.protocols import Prepared, Protocol, notices, prepare, unscored

# FOLDED What evaluation reads of HDF5 files: scores of videos and of seconds, untrained weights.


def read_video_scores(path: str | Path, classes: list[str]) -> dict[str, np.ndarray]:
    """Per video its score of each class `[C]`, in the order of `classes`.

    Raises WstalError if the file's classes are others than the ground truth's.
    """
    with _open(path) as file:
        columns = _columns(file, path, classes)
        return {_id(group): group["video_score"][()][columns] for group in file.values()}


def score_grid(path: str | Path) -> tuple[float, float]:
    """Seconds from snippet to snippet, and where the first begins, of a score file."""
    with _open(path) as file:
        return float(file.attrs["step"]), float(file.attrs["t0"])


def read_events(path: str | Path, classes: list[str], seconds: int) -> dict[str, np.ndarray]:
    """Per video the likeliest class of each second, int `[seconds]` (`second_answers`).

    Numbers are of `classes`, background last. Raises WstalError if the file's classes are others.
    """
    with _open(path) as file:
        return _events(file, path, classes, seconds)


def read_event_history(
    path: str | Path, classes: list[str], seconds: int
) -> dict[int, dict[str, np.ndarray]]:
    """The same of each evaluation interval, from scores_by_iteration.h5: {iteration: events}."""
    with _open(path) as file:
        return {int(name): _events(file[name], path, classes, seconds) for name in sorted(file)}


def _events(
    group: h5py.Group, path: str | Path, classes: list[str], seconds: int
) -> dict[str, np.ndarray]:
    columns = [*_columns(group, path, classes), len(classes)]
    grid = float(group.attrs["t0"]), float(group.attrs["step"])
    return {
        _id(video): second_answers(video["cas"][()][:, columns], *grid, seconds)
        for video in group.values()
    }


def _columns(group: h5py.Group, path: str | Path, classes: list[str]) -> list[int]:
    """Where `classes` stand in the file's order."""
    stored = json.loads(group.attrs["classes_json"])
    if set(stored) != set(classes):
        raise WstalError(
            f"{path}: its classes {stored} are not the ground truth's {classes}; "
            "the run was trained on other annotations, train it again"
        )
    return [stored.index(name) for name in classes]


def weights_note(features: str | Path) -> str:
    """`untrained weights` if the features say so, else nothing."""
    with _open(features) as file:
        return "untrained weights" if file.attrs.get("weights") == "untrained" else ""


def _id(group: h5py.Group) -> str:
    return str(group.attrs["id"])


def _open(path: str | Path) -> h5py.File:
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise WstalError(f"{path} is not a readable HDF5 file: {error}") from error


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
    tell: Callable[[str], object] = lambda line: None,
) -> list[Row]:
    """Rows for all that is given of a seed.

    `predictions` are proposals.json files by what to call their checkpoint (`last`; another
    name makes a baseline of it), `history` the proposals of each evaluation interval,
    `scores` scores.h5 and `score_history` scores_by_iteration.h5, from which events are scored.
    best_test is chosen and scored under the protocol `paper` (None: under
    `protocol`). Without annotated segments only the video-level mAP is left. `tell` is given
    what a person should know (`notices`, `unscored`), line by line.

    Raises WstalError for files that do not fit the ground truth, or if nothing can be scored.
    """
    if paper is not None and paper.task != protocol.task:
        raise WstalError(
            f"the paper protocol {paper.name} scores {paper.task}, protocol {protocol.name} "
            f"{protocol.task}; choose a paper protocol of the same task"
        )
    for line in notices(truth, protocol):
        tell(line)
    if protocol.task == "events":
        if scores is None:
            raise WstalError(f"protocol {protocol.name} scores events: give scores.h5 (--scores)")
        rows = event_rows(truth, protocol, read_events(scores, truth.classes, protocol.seconds))
        if score_history is not None:
            seconds = (paper or protocol).seconds
            events = read_event_history(score_history, truth.classes, seconds)
            rows += event_checkpoint_rows(truth, protocol, events, paper)
        return rows
    rows: list[Row] = []
    if has_segments(truth, protocol):
        for checkpoint, path in predictions.items():
            found = known_detections(truth, path)
            if line := unscored(truth, protocol, found):
                tell(f"{path}: {line}")
            prepared = prepare(truth, found, protocol, usable)
            rows += detection_rows(prepared, protocol, checkpoint)
        if history is not None:
            rows += checkpoint_rows(truth, protocol, known_history(truth, history), usable, paper)
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


def known_detections(truth: GroundTruth, path: Path) -> pd.DataFrame:
    """Detections of a file, all of videos and labels that the ground truth knows."""
    frame = read_detections(path)
    check_detections(frame, truth.subset, truth.classes, path)
    return frame


def known_history(truth: GroundTruth, path: Path) -> dict[int, pd.DataFrame]:
    """Detections by iteration, all of videos and labels that the ground truth knows."""
    frames = read_detections_by_iteration(path)
    for frame in frames.values():
        check_detections(frame, truth.subset, truth.classes, path)
    return frames


def event_seeds(
    truth: GroundTruth, protocol: Protocol, scores: Sequence[Path], histories: Sequence[Path]
) -> list[tuple[Events, dict[int, Events]]]:
    """Events of each seed from its scores.h5, and those by iteration where there are any.

    Raises WstalError unless there is one file by iteration per seed, or none at all.
    """
    if histories and len(histories) != len(scores):
        raise WstalError(
            f"{len(scores)} files of scores and {len(histories)} of scores by iteration; "
            "give one of each per seed"
        )
    known = truth.classes, protocol.seconds
    by_iteration = [read_event_history(path, *known) for path in histories]
    last = [read_events(path, *known) for path in scores]
    return list(zip(last, by_iteration or [{} for _ in last], strict=True))


def strict_runs(
    truth: GroundTruth,
    protocol: Protocol,
    usable: set[str] | None,
    given: Sequence[tuple[Sequence[Path], Sequence[Path]]],
    tell: Callable[[str], object] = lambda line: None,
) -> tuple[str, list[list[Prepared]] | list[list[Judged]]]:
    """What two or more runs are compared by: the checkpoint, and each run's seeds as scored.

    `given` has per run the files of its seeds: proposals.json, of which the last iterate is
    taken; under a protocol of events scores.h5 and (or none) scores_by_iteration.h5, which give
    the best on validation. Raises WstalError if checkpoints could not be chosen alike.
    """
    how, runs = set(), []
    for files, histories in given:
        runs.append([])
        if protocol.task == "events":
            for last, history in event_seeds(truth, protocol, files, histories):
                name, events = strict_events(truth, protocol, last, history)
                how.add(name)
                runs[-1].append(judge(truth, protocol, events))
            continue
        how.add("last")
        for path in files:
            found = known_detections(truth, path)
            if line := unscored(truth, protocol, found):
                tell(f"{path}: {line}")
            runs[-1].append(prepare(truth, found, protocol, usable))
    if len(how) > 1:
        raise WstalError(
            f"checkpoints {', '.join(sorted(how))} cannot be compared; give scores by iteration "
            "of every run, or of none"
        )
    return how.pop(), runs
