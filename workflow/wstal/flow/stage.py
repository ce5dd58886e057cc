"""The stage `flow`: from the frames of a shard's videos to their flow files, or to a stream."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import hdf5plugin
import numpy as np

from wstal import __version__
from wstal.base.array_store import ArrayFile
from wstal.base.errors import MediaError
from wstal.base.parallel import read_ahead
from wstal.base.settings import to_plain
from wstal.base.stage import Job, Stage, StageInput, Streamed
from wstal.base.user_files import file_sha256
from wstal.flow.algorithm import FlowAlgorithm, FlowSettings, flow_algorithm
from wstal.flow.codes import SNIPPET, flow_chunks
from wstal.media.frames import open_frames

PACKAGES = ("numpy", "h5py", "hdf5plugin", "opencv-contrib-python-headless")
TENSOR_PACKAGES = {"torch": ("torch",), "triton": ("torch", "triton")}  # by backend


class FlowStage(Stage):
    """The flow of each video.

    A file has `flow` int8 `[N-1, H, W, 2]` in compressed chunks of 16 pairs, one snippet each;
    its attributes say how it was computed. rows = N - 1.
    """

    name = "flow"
    settings = FlowSettings
    inputs = ("frames",)
    streamable = True

    def key_part(self, settings: FlowSettings, job: Job) -> dict[str, Any]:
        """Return the settings; a learned flow's weights count by their content, not their path."""
        part = super().key_part(settings, job)
        if digest := weights_digest(settings):
            part["params"] = {**settings.params, "weights": digest}
        return part

    def provenance(self, settings: FlowSettings, job: Job) -> dict[str, Any]:
        """Return how the flow is computed on this machine."""
        return self._provenance(settings, job, self._algorithm(settings, job))

    def maker(self, settings: FlowSettings, job: Job) -> Callable[[StageInput, ArrayFile], int]:
        """Return the function that writes the flow file of a video."""
        algorithm = self._algorithm(settings, job)

        def make(video: StageInput, file: ArrayFile) -> int:
            file.set_status(video.status, video.reason)
            file.attrs.update(algorithm.attrs)
            file.attrs["bound"] = float(settings.bound)
            file.attrs["short_side"] = int(settings.short_side)
            return write_flow(file, stream_flow(video, settings, algorithm, job))

        return make

    def streamed(self, settings: FlowSettings, job: Job) -> Streamed:
        """Return the flow as an input of the next stage that is computed on the way."""
        algorithm = self._algorithm(settings, job)
        return Streamed(
            key=lambda video: self.key(video, settings, job),
            arrays=lambda video: stream_flow(video, settings, algorithm, job),
            provenance=self._provenance(settings, job, algorithm),
        )

    def _algorithm(self, settings: FlowSettings, job: Job) -> FlowAlgorithm:
        return flow_algorithm(settings, device=job.device, threads=job.threads)

    def _provenance(
        self, settings: FlowSettings, job: Job, algorithm: FlowAlgorithm
    ) -> dict[str, Any]:
        packages = PACKAGES + TENSOR_PACKAGES.get(algorithm.attrs["backend"], ())
        return {
            "stage": self.name,
            "recipe": to_plain(settings),
            "code": job.code,
            "device": job.device,
            "weights_sha256": weights_digest(settings),
            "versions": {"wstal": __version__} | {name: version(name) for name in packages},
            **algorithm.attrs,
        }


def weights_digest(settings: FlowSettings) -> str:
    """Return the SHA-256 of the file of weights that a recipe names, "" if it names none."""
    path = settings.params.get("weights")
    return _file_digest(path) if path and Path(path).is_file() else ""


_file_digest = cache(file_sha256)


def stream_flow(
    video: StageInput, settings: FlowSettings, algorithm: FlowAlgorithm, job: Job
) -> Iterator[np.ndarray]:
    """Yield int8 flow codes `[n, H, W, 2]` of a video; the next ones are computed meanwhile.

    Raises MediaError for a video without any frame.
    """
    size = {"short_side": settings.short_side, "interpolation": settings.interpolation}
    gray = open_frames(video.files["frames"], pixels="gray", **size)
    gray = job.within(video.id, gray, video.rows)
    chunks = flow_chunks(gray, algorithm.flow, bound=settings.bound, pairs=algorithm.pairs)
    empty = True
    for chunk in read_ahead(chunks):
        empty = False
        yield chunk
    if empty:
        raise MediaError(f"{video.id}: no frame could be read for flow")


def write_flow(file: ArrayFile, chunks: Iterable[np.ndarray]) -> int:
    """Append int8 chunks `[n, H, W, 2]` to the dataset `flow`; return the number of pairs."""
    stream, pairs = None, 0
    for chunk in chunks:
        if stream is None:
            filters = hdf5plugin.Zstd(1)
            stream = file.stream("flow", chunk.shape[1:], np.int8, chunk_rows=SNIPPET, **filters)
        stream.append(chunk)
        pairs += len(chunk)
    return pairs


STAGES = {"flow": FlowStage()}
