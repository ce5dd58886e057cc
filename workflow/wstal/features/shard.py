"""A shard of one feature stage: keys, provenance and the files of its videos."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from torch import nn

from wstal import __version__
from wstal.errors import WstalError
from wstal.features.stage_inputs import StageInput, join_shards
from wstal.store import ArrayFile, Record, artefact_key, process_shard, read_attrs

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
