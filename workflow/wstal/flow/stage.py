"""The flow stage: from the frames of a shard's videos to their flow files."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import hdf5plugin
import numpy as np

from wstal import __version__
from wstal.base.array_store import ArrayFile, Record, Within, artefact_key, process_shard, unseen
from wstal.base.errors import MediaError
from wstal.base.parallel import read_ahead
from wstal.features.shard import StageInput, join_shards
from wstal.flow.algorithm import FlowAlgorithm, flow_algorithm
from wstal.flow.chunks import SNIPPET, flow_chunks

PACKAGES = ("numpy", "h5py", "hdf5plugin", "opencv-contrib-python-headless")
TENSOR_PACKAGES = {"torch": ("torch",), "triton": ("torch", "triton")}  # by backend
_NOT_KEY = ("backend", "cache_flow")  # who computes it, and what is kept, is no part of the flow
OpenGray = Callable[[Path], Iterable[np.ndarray]]


def flow_shard(
    frames: Path,
    recipe: Mapping[str, Any],
    *,
    code: str,
    directory: str | Path,
    open_gray: OpenGray,
    device: str = "cpu",
    threads: int | None = None,
    track: Callable[[Iterable], Iterable] = iter,
    within: Within = unseen,
) -> list[Record]:
    """Write the flow file of every video of the manifest `frames`; return the records.

    `recipe` is the section `flow`; `open_gray` opens a frames file as gray chunks uint8
    `[n, H, W]` at the recipe's size (a decoder's work, not this package's). A flow file holds
    `flow` int8 `[N-1, H, W, 2]` in compressed chunks of 16 pairs, one snippet each, and says in
    its attributes how it was made.
    """
    inputs, passed = join_shards({"frames": frames})
    algorithm = flow_algorithm(recipe, device=device, threads=threads)
    made = process_shard(
        inputs,
        stage="flow",
        directory=directory,
        key_of=lambda video: flow_key(video, recipe, code),
        make=lambda video, file: _make(video, file, recipe, algorithm, open_gray, within),
        provenance=flow_provenance(recipe, algorithm, code, device),
        track=track,
    )
    return made + passed


def flow_provenance(
    recipe: Mapping[str, Any], algorithm: FlowAlgorithm, code: str, device: str
) -> dict[str, Any]:
    """What made a flow, to be recorded in its files or in the features it was streamed into."""
    packages = PACKAGES + TENSOR_PACKAGES.get(algorithm.attrs["backend"], ())
    return {
        "stage": "flow",
        "recipe": dict(recipe),
        "code": code,
        "device": device,
        "weights_sha256": weights_digest(recipe),
        "versions": {"wstal": __version__} | {name: version(name) for name in packages},
        **algorithm.attrs,
    }


def flow_key(frames: StageInput, recipe: Mapping[str, Any], code: str) -> str:
    """What names the flow of a video; `code` is the flow stage's, whoever computes.

    A learned flow's weights count by their content, not by their path.
    """
    part = {name: value for name, value in recipe.items() if name not in _NOT_KEY}
    if digest := weights_digest(recipe):
        part["params"] = {**recipe["params"], "weights": digest}
    return artefact_key(frames.source, "flow", part, code)


def weights_digest(recipe: Mapping[str, Any]) -> str:
    """SHA-256 of the file of weights that a recipe names, empty where there is none."""
    path = recipe.get("params", {}).get("weights")
    return _file_digest(path) if path and Path(path).is_file() else ""


@cache
def _file_digest(path: str) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def stream_flow(
    video: StageInput,
    algorithm: FlowAlgorithm,
    bound: float,
    open_gray: OpenGray,
    within: Within = unseen,
) -> Iterator[np.ndarray]:
    """int8 flow codes `[n, H, W, 2]` of a video, the next being computed while these are used.

    Raises MediaError for a video without any frame.
    """
    none = True
    gray = within(video.id, open_gray(video.files["frames"]), video.rows)
    for chunk in read_ahead(flow_chunks(gray, algorithm.flow, bound=bound, pairs=algorithm.pairs)):
        none = False
        yield chunk
    if none:
        raise MediaError(f"{video.id}: no frame could be read for flow")


def _make(
    video: StageInput,
    file: ArrayFile,
    recipe: Mapping[str, Any],
    algorithm: FlowAlgorithm,
    open_gray: OpenGray,
    within: Within,
) -> int:
    file.set_status(video.status, video.reason)
    file.attrs.update(algorithm.attrs)
    file.attrs["bound"] = float(recipe["bound"])
    file.attrs["short_side"] = int(recipe["short_side"])
    return write_flow(file, stream_flow(video, algorithm, recipe["bound"], open_gray, within))


def write_flow(file: ArrayFile, chunks: Iterable[np.ndarray]) -> int:
    """Append int8 chunks `[n, H, W, 2]` to the dataset `flow`; the number of pairs."""
    stream, pairs = None, 0
    for chunk in chunks:
        if stream is None:
            filters = hdf5plugin.Zstd(1)
            stream = file.stream("flow", chunk.shape[1:], np.int8, chunk_rows=SNIPPET, **filters)
        stream.append(chunk)
        pairs += len(chunk)
    return pairs
