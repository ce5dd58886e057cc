"""What evaluation reads of HDF5 files: video-level scores, AVE's events, untrained weights."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np

from wstal.errors import WstalError


def read_video_scores(path: str | Path, classes: list[str]) -> dict[str, np.ndarray]:
    """Per video its score of each class `[C]`, in the order of `classes`.

    Raises WstalError if the file's classes are others than the ground truth's.
    """
    with _open(path) as file:
        stored = json.loads(file.attrs["classes_json"])
        if set(stored) != set(classes):
            raise WstalError(
                f"{path}: its classes {stored} are not the ground truth's {classes}; "
                "the run was trained on other annotations, train it again"
            )
        columns = [stored.index(name) for name in classes]
        return {_id(group): group["video_score"][()][columns] for group in file.values()}


def read_events(path: str | Path) -> dict[str, np.ndarray]:
    """Per video the class of each second, int `[T]`, background last.

    Raises WstalError if the run predicts no events.
    """
    with _open(path) as file:
        if without := [_id(group) for group in file.values() if "events" not in group]:
            raise WstalError(
                f"{path}: video {without[0]} has no events; an events protocol scores runs on "
                "datasets of `task: events`"
            )
        return {_id(group): group["events"][()].astype(np.int64) for group in file.values()}


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
