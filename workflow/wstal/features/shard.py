"""A shard of one feature stage: keys, provenance and the files of its videos."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import hdf5plugin  # noqa: F401  registers the compression of flow files
import numpy as np
from torch import nn

from wstal import __version__
from wstal.base.array_store import (
    NO_AUDIO,
    OK,
    PARTIAL,
    ArrayFile,
    Record,
    artefact_key,
    process_shard,
    read_attrs,
    read_shard,
)
from wstal.base.errors import WstalError

# FOLDED The videos of a feature stage: what the stages before made of each, joined by id.

_WORSE = (OK, NO_AUDIO, PARTIAL)


@dataclass(frozen=True)
class StageInput:
    """One video: its worst status so far, the keys of its files joined, the files by stage.

    `rows` is how many the first of them has: frames, where that is their stage.
    """

    id: str
    status: str
    reason: str
    source: str
    files: Mapping[str, Path]
    rows: int = 0


def frames_and_fps(frames_file: str | Path) -> tuple[int, float]:
    """How many grid frames a file of the frames stage has, and how many lie in a second."""
    with h5py.File(frames_file, "r") as file:
        return len(file["frame_index"]), float(file.attrs["fps"])


def join_shards(shards: Mapping[str, Path]) -> tuple[list[StageInput], list[Record]]:
    """Videos to work on, and the records of those without files (missing, broken) to pass on.

    `shards` are the shard manifests by stage name, the first of them deciding which videos
    there are. Raises WstalError if another lacks one of them.
    """
    tables = {stage: {r.id: r for r in read_shard(path)} for stage, path in shards.items()}
    first = next(iter(tables.values()))
    inputs, passed = [], []
    for video in first:
        for stage, table in tables.items():
            if video not in table:
                raise WstalError(f"{shards[stage]} has no row for video {video}; run {stage} again")
        records = {stage: table[video] for stage, table in tables.items()}
        absent = next((r for r in records.values() if not r.usable), None)
        if absent:
            passed.append(Record(video, absent.status, 0, "", "", absent.key, absent.reason))
            continue
        worst = max(records.values(), key=lambda record: _WORSE.index(record.status))
        inputs.append(
            StageInput(
                id=video,
                status=worst.status,
                reason=worst.reason,
                source=" ".join(record.key for record in records.values()),
                files={s: shards[s].parent / record.path for s, record in records.items()},
                rows=next(iter(records.values())).rows,
            )
        )
    return inputs, passed


PACKAGES = ("torch", "numpy", "opencv-contrib-python-headless")
# Weights enter the key by what they are, not by their names.
_NOT_KEY = ("batch", "weights", "pca")


class LoadedNetwork(NamedTuple):
    """A network, the file of its weights (or `untrained`) and what identifies their content."""

    network: nn.Module
    weights: str
    identity: str


def features_shard(
    stage: str,
    shards: Mapping[str, Path],
    extract: Callable[[StageInput], np.ndarray],
    recipe: Mapping[str, Any],
    *,
    weights: str,
    device: str,
    code: str,
    directory: str | Path,
    upstream_key: Callable[[StageInput], str] | None = None,
    made_from: Mapping[str, Any] | None = None,
    packages: Sequence[str] = (),
    track: Callable[[Iterable], Iterable] = iter,
) -> list[Record]:
    """Write `features` `[T, D]` for every video of the manifests `shards` and return the records.

    `weights` is the sha256 of the weights or `untrained`; it is part of the key, as the stage's
    section `recipe` is but for the batch size. A video keeps the worst status of the stages
    before; one without files passes its status on. A stage before that leaves no manifest,
    because its arrays are made on the way, has its key of a video from `upstream_key` (after
    those of the manifests) and its provenance in `made_from`. That of the others is copied from
    each video's files. `packages` are those whose versions are recorded beside the common ones.
    """
    inputs, passed = join_shards(shards)
    part = {name: value for name, value in recipe.items() if name not in _NOT_KEY}
    part["weights"] = weights
    provenance = {
        "stage": stage,
        "recipe": dict(recipe),
        "weights": weights,
        "code": code,
        "device": device,
        "versions": {"wstal": __version__} | {n: version(n) for n in (*PACKAGES, *packages)},
        **(made_from or {}),
    }

    def key_of(video: StageInput) -> str:
        source = video.source + (f" {upstream_key(video)}" if upstream_key else "")
        return artefact_key(source, stage, part, code)

    def make(video: StageInput, file: ArrayFile) -> int:
        file.set_status(video.status, video.reason)
        about = provenance | {stage: _made_by(path) for stage, path in video.files.items()}
        file.attrs["provenance_json"] = json.dumps(about, sort_keys=True)
        features = extract(video)
        file.write("features", features)
        return len(features)

    made = process_shard(
        inputs,
        stage=stage,
        directory=directory,
        key_of=key_of,
        make=make,
        provenance=provenance,
        track=track,
    )
    return made + passed


def _made_by(path: Path) -> dict[str, Any]:
    """The provenance in a file of a stage before."""
    try:
        return json.loads(read_attrs(path)["provenance_json"])
    except (OSError, LookupError, ValueError) as error:
        raise WstalError(
            f"{path} is damaged or lost ({error}); remove it and shard*.csv beside it, then run "
            "again: what is whole is kept"
        ) from error
