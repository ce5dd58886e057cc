"""The videos of a feature stage: what the stages before made of each, joined by id."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py
import hdf5plugin  # noqa: F401  registers the compression of flow files

from wstal.errors import WstalError
from wstal.store import NO_AUDIO, OK, PARTIAL, Record, read_shard

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
