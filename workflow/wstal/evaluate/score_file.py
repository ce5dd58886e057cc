"""What evaluation reads of HDF5 files: scores of videos and of seconds, untrained weights."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np

from wstal.errors import WstalError
from wstal.evaluate.events import second_answers


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
