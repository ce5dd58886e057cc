"""Scores of videos under a trained network, and their HDF5 files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import h5py
import numpy as np

from wstal.base.array_store import naming_damage, safe_name
from wstal.base.errors import WstalError
from wstal.base.files import atomic_path
from wstal.base.hdf5_files import check_links, checked_dataset
from wstal.base.user_files import check_regular

Activation = Literal["logits", "probability"]  # what `cas` holds
ACTIVATIONS = get_args(Activation)
_PREFIX = "attention_"
_ABOUT = ("activation", "classes_json", "iteration", "t0", "step", "provenance_json")


@dataclass(frozen=True)
class VideoScores:
    """Scores of one video; background is the last column of `cas`."""

    cas: np.ndarray  # [T, C+1]
    attention: np.ndarray  # [T]
    video_score: np.ndarray  # [C], probability of each class in the video
    attentions: dict[str, np.ndarray] = field(default_factory=dict)  # {stream: [T]}
    extra: dict[str, np.ndarray] = field(default_factory=dict)  # what a method stores besides
    step: float | None = None  # seconds between snippets where they are the video's own

    def arrays(self) -> dict[str, np.ndarray]:
        """Return every array under its name in a file."""
        named = {_PREFIX + name: array for name, array in self.attentions.items()}
        own = {"cas": self.cas, "attention": self.attention, "video_score": self.video_score}
        return own | named | self.extra


@dataclass(frozen=True)
class Scores:
    """Scores of a set of videos at one iteration of training.

    Snippet i spans [t0 + i step, t0 + (i+1) step) seconds, with the video's own step where it has
    one (`step_of`); `activation` is what `cas` contains, logits or probabilities.
    """

    classes: list[str]
    videos: dict[str, VideoScores]
    activation: Activation = "logits"
    iteration: int = 0
    t0: float = 0.0
    step: float = 0.64
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.activation not in ACTIVATIONS:
            raise WstalError(f"activation {self.activation!r} is not logits or probability")
        for video, scores in self.videos.items():
            columns = scores.cas.shape[1]
            if columns != len(self.classes) + 1:
                raise WstalError(
                    f"video {video}: {columns} columns of scores for {len(self.classes)} classes "
                    "and background"
                )

    def step_of(self, video: str) -> float:
        """Return the seconds from snippet to snippet of a video."""
        return self.videos[video].step or self.step

    def require_finite(self) -> None:
        """Raise WstalError naming the first video whose scores are not all finite."""
        for video, values in self.videos.items():
            bad = [name for name, array in values.arrays().items() if not np.isfinite(array).all()]
            if bad:
                raise WstalError(
                    f"video {video}, iteration {self.iteration}: {', '.join(bad)} not finite; "
                    "look at the video's features, or train with a lower train.lr"
                )


def softmax(x: np.ndarray) -> np.ndarray:
    """Softmax over the last axis, float64."""
    x = np.asarray(x, dtype=np.float64)
    weights = np.exp(x - x.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True)


def write_scores(path: str | Path, scores: Scores) -> None:
    """Write scores.h5 atomically; raises WstalError if a score is not finite."""
    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
        _write_group(file, scores)


def read_scores(path: str | Path) -> Scores:
    """Read scores.h5; raises WstalError if the file is something else."""
    with _open(path) as file:
        return _read_group(file)


def write_iterations(path: str | Path, parts: Iterable[Scores]) -> None:
    """Write scores_by_iteration.h5 atomically: one group per iteration, as in scores.h5.

    Nothing is rounded: of one iterate both files give the same detections, so that the best of
    all is never below the last. Raises WstalError if a score is not finite.
    """
    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
        for scores in parts:
            group = file.create_group(f"{scores.iteration:08d}")
            _write_group(group, scores)
        file.attrs["iterations"] = [int(name) for name in file]


class ScoreHistory:
    """Reads scores_by_iteration.h5: iterates in order, one iteration in memory at a time."""

    def __init__(self, path: str | Path) -> None:
        self.path = path
        with _open(path) as file:
            self.iterations = sorted(int(name) for name in file)
            if sorted(file.attrs.get("iterations", self.iterations)) != self.iterations:
                raise ValueError("an iteration is missing")

    def __len__(self) -> int:
        return len(self.iterations)

    def __iter__(self) -> Iterator[Scores]:
        for iteration in self.iterations:
            with _open(self.path, is_checked=True) as file:  # checked above, and slow to check
                scores = _read_group(file[f"{iteration:08d}"])
            yield scores


@contextmanager
def _open(path: str | Path, *, is_checked: bool = False) -> Iterator[h5py.File]:
    remedy = "Expected a score file of this project: remove it and run again"
    with naming_damage(path, remedy), h5py.File(check_regular(path), "r") as file:
        if not is_checked:
            check_links(file)
        yield file


def _digest(group: h5py.Group, videos: Mapping[str, VideoScores]) -> str:
    """The digest of what describes the scores, and of every array: name, type, shape, values."""
    about = {name: group.attrs[name] for name in _ABOUT}
    plain = {k: v.item() if isinstance(v, np.generic) else v for k, v in about.items()}
    digest = hashlib.sha256(json.dumps(plain, sort_keys=True).encode())
    for video in sorted(videos):
        if videos[video].step is not None:
            digest.update(f"\n{video}\0step {videos[video].step!r}\n".encode())
        for name, array in sorted(videos[video].arrays().items()):
            digest.update(f"\n{video}\0{name} {array.dtype.str} {array.shape}\n".encode())
            digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()


def _write_group(group: h5py.Group, scores: Scores) -> None:
    scores.require_finite()
    group.attrs.update(
        activation=scores.activation,
        classes_json=json.dumps(scores.classes),
        iteration=scores.iteration,
        t0=scores.t0,
        step=scores.step,
        provenance_json=json.dumps(scores.provenance, sort_keys=True),
    )
    for video, values in scores.videos.items():
        entry = group.create_group(safe_name(video))
        entry.attrs["id"] = video
        if values.step is not None:
            entry.attrs["step"] = values.step
        for name, array in values.arrays().items():
            entry[name] = array
    group.attrs["sha256"] = _digest(group, scores.videos)


def _read_group(group: h5py.Group) -> Scores:
    videos = {entry.attrs["id"]: _read_video(entry) for entry in group.values()}
    if group.attrs.get("sha256", "") not in ("", _digest(group, videos)):
        raise ValueError("its content differs from the digest that was written with it")
    return Scores(
        classes=json.loads(group.attrs["classes_json"]),
        videos=videos,
        activation=group.attrs["activation"],
        iteration=int(group.attrs["iteration"]),
        t0=float(group.attrs["t0"]),
        step=float(group.attrs["step"]),
        provenance=json.loads(group.attrs["provenance_json"]),
    )


def _read_video(entry: h5py.Group) -> VideoScores:
    named = [name for name in entry if name.startswith(_PREFIX)]
    own = {"cas", "attention", "video_score", *named}
    return VideoScores(
        cas=checked_dataset(entry, "cas")[()],
        attention=checked_dataset(entry, "attention")[()],
        video_score=checked_dataset(entry, "video_score")[()],
        attentions={name.removeprefix(_PREFIX): checked_dataset(entry, name)[()] for name in named},
        extra={name: checked_dataset(entry, name)[()] for name in entry if name not in own},
        step=float(entry.attrs["step"]) if "step" in entry.attrs else None,
    )
