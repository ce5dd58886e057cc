"""A stage: one step on the way from video files to features, over a shard of their videos.

Every stage is one object with the members of `Stage`, in the module that `wstal.config.stages`
names. A stage receives its own section of the recipe, typed, and nothing else of it. What it
makes of a video lies in one file per video under a key, and a manifest lists the files of a shard
(`wstal.base.array_store`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from wstal.base.array_store import (
    NO_AUDIO,
    OK,
    PARTIAL,
    ArrayFile,
    Record,
    Within,
    artefact_key,
    process_shard,
    read_shard,
    unseen,
)
from wstal.base.files import require_ids
from wstal.base.settings import to_plain

_FROM_BEST_TO_WORST = (OK, NO_AUDIO, PARTIAL)

Track = Callable[[Iterable], Iterable]  # wraps videos, to show progress


@dataclass(frozen=True)
class StageInput:
    """One video: its worst status so far, the keys of its files joined, the files by stage.

    `rows` is the number of rows of the first stage's file: frames, where that is the stage.
    """

    id: str
    status: str
    reason: str
    source: str
    files: Mapping[str, Path]
    rows: int = 0


class LoadedNetwork(NamedTuple):
    """A network, the file of its weights (or `untrained`) and what identifies their content."""

    network: Any  # a torch module; this file does not import torch
    weights: str
    identity: str


@dataclass(frozen=True)
class Streamed:
    """An earlier stage whose arrays are computed on the way to the next stage, and not kept.

    `key` gives the key that the file of a video would have, `arrays` its chunks; `provenance`
    says how they are made.
    """

    key: Callable[[StageInput], str]
    arrays: Callable[[StageInput], Iterable[np.ndarray]]
    provenance: Mapping[str, Any]


@dataclass(frozen=True)
class Job:
    """What a stage is given besides its videos and its settings.

    Only `code`, the content of the network's weights and the keys of `streamed` stages enter the
    key of what it makes.
    """

    code: str  # digest of the stage's code
    directory: Path  # folder of the stage's files
    device: str = "cpu"  # as torch spells it: cpu, cuda:0
    threads: int | None = None  # pairs of flow at a time; None: $OMP_NUM_THREADS, else all CPUs
    network: LoadedNetwork | None = None
    streamed: Mapping[str, Streamed] = field(default_factory=dict)  # by stage
    track: Track = iter
    within: Within = unseen


class Stage:
    """What every stage has in common; the others override the members that differ."""

    name: str
    settings: ClassVar[type]  # of its section of the recipe
    inputs: tuple[str, ...]  # the stages whose files it reads; the first decides on the videos
    streamable: ClassVar[bool] = False  # whether the next stage can take its arrays unkept

    def weights(self, settings: Any) -> dict[str, str]:
        """Return the names of the files of weights it needs, by the argument they are for."""
        return {}

    def load(
        self, settings: Any, files: Mapping[str, str], sources: Mapping[str, Any]
    ) -> LoadedNetwork | None:
        """Load its network from `files` (paths, or `untrained`, by the keys of `weights`).

        `sources` are the known weights by name. Returns None for a stage without a network.
        Raises WstalError for a file that is missing, or not the published one.
        """
        return None

    def key_part(self, settings: Any, job: Job) -> dict[str, Any]:
        """Return what of the settings, and of the network, enters the key of its files."""
        skipped = self.settings.NO_NUMBERS
        return {name: value for name, value in to_plain(settings).items() if name not in skipped}

    def provenance(self, settings: Any, job: Job) -> dict[str, Any]:
        """Return how its files are made: plain values, to be recorded in each of them."""
        raise NotImplementedError

    def maker(self, settings: Any, job: Job) -> Callable[[StageInput, ArrayFile], int]:
        """Return the function that writes the arrays of one video and returns their rows."""
        raise NotImplementedError

    def streamed(self, settings: Any, job: Job) -> Streamed:
        """Return its arrays as an input of the next stage that is computed on the way.

        `job` is that of this stage: its code, device, threads and progress. Only a `streamable`
        stage has this.
        """
        raise NotImplementedError

    def read(self, shards: Mapping[str, Path]) -> tuple[list[StageInput], list[Record]]:
        """Return the videos to work on, and the records of those that have no files."""
        return join_shards(shards)

    def shard(self, shards: Mapping[str, Path], settings: Any, job: Job) -> list[Record]:
        """Make or keep the file of every video of the manifests `shards`; return the records.

        A video keeps the worst status of the stages before; one without files passes its status
        on. Raises WstalError as `process_shard` and `join_shards`.
        """
        videos, passed = self.read(shards)
        made = process_shard(
            videos,
            stage=self.name,
            directory=job.directory,
            key_of=lambda video: self.key(video, settings, job),
            make=self.maker(settings, job),
            provenance=self.provenance(settings, job),
            track=job.track,
        )
        return made + passed

    def key(self, video: StageInput, settings: Any, job: Job) -> str:
        """Return the key of a video's file: its input, the settings and the code."""
        source = " ".join([video.source, *(each.key(video) for each in job.streamed.values())])
        return artefact_key(source, self.name, self.key_part(settings, job), job.code)


def join_shards(shards: Mapping[str, Path]) -> tuple[list[StageInput], list[Record]]:
    """Return the videos to work on, and the records of those without files (missing, broken).

    `shards` are the shard manifests by stage; the first one decides which videos there are.
    Raises WstalError if one of them has no row for a video of another.
    """
    tables = {stage: {r.id: r for r in read_shard(path)} for stage, path in shards.items()}
    first = next(iter(tables.values()))
    every = dict.fromkeys(video for table in tables.values() for video in table)
    for stage, table in tables.items():
        require_ids(shards[stage], table, every)
    inputs, passed = [], []
    for video in first:
        records = {stage: table[video] for stage, table in tables.items()}
        absent = next((r for r in records.values() if not r.usable), None)
        if absent:
            passed.append(Record(video, absent.status, 0, "", "", absent.key, absent.reason))
            continue
        worst = max(records.values(), key=lambda r: _FROM_BEST_TO_WORST.index(r.status))
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
