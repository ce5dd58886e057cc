"""features.h5: all videos of a dataset on one time grid, in one file."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from wstal.base.array_store import (
    MISSING,
    NO_AUDIO,
    OK,
    PARTIAL,
    Record,
    add_array,
    naming_damage,
    read_content,
    read_shard,
    require_seal,
    safe_name,
    seal,
)
from wstal.base.errors import WstalError
from wstal.base.files import atomic_path, canonical_json, require_ids
from wstal.base.hdf5_files import check_links, checked_dataset
from wstal.base.user_files import check_regular
from wstal.features.rows import CommonGrid

SCHEMA = "wstal-features-1"
NAMED = 20  # videos in a message; a file has the others
COLUMNS = ("videos", "without_features", "max_missing")  # of the count of videos without features
COVERAGE = ["id", "split", "status", "rows", "reason"]


class FeatureFile:
    """Reads features.h5.

    Root attributes: schema, dataset, recipe, recipe_digest, fps, snippet (the extent of a row) and
    stride in frames, t0, step (seconds), grid and resample where a stream was brought onto the rows
    of another, provenance_json. One group per video with float arrays `rgb`, `flow`, `audio`
    `[T, D]` and the attributes id, split, duration (seconds), status, source_sha256 (of the
    video file), and step (seconds) where the rows follow the video's own rate. The provenance says
    of each stream how it and the stages before it were made: that of the first video, and under
    `varies` which entries are not the same for all.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        with self._naming_damage():
            self._file = h5py.File(check_regular(path), "r")
            check_links(self._file)
            require_seal(self._file)
            self.attrs: dict[str, Any] = dict(self._file.attrs)
            groups = list(self._file.values())
            self._about = {group.attrs["id"]: dict(group.attrs) for group in groups}
            self._groups = dict(zip(self._about, groups, strict=True))
            self.dims = {name: group[name].shape[1] for group in groups for name in group}
            self.streams = sorted(self.dims)
        if self.attrs.get("schema") != SCHEMA:
            raise WstalError(f"{path}: schema {self.attrs.get('schema')!r}, expected {SCHEMA!r}")

    def _naming_damage(self) -> AbstractContextManager[None]:
        remedy = "Remove it and run again: it is packed from files that are kept"
        return naming_damage(self.path, remedy)

    def __enter__(self) -> FeatureFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def ids(self, split: str | None = None) -> list[str]:
        """Return the ids with features, sorted; those of one split if it is named."""
        about = self._about.items()
        return sorted(i for i, attrs in about if split is None or attrs["split"] == split)

    def read(self, video: str, streams: Iterable[str]) -> np.ndarray:
        """Return the streams of a video side by side: float32 `[T, sum of D]`."""
        group = self._groups[video]
        if absent := [name for name in streams if name not in group]:
            raise WstalError(
                f"{self.path}: video {video} has no {', '.join(absent)} features; it has "
                f"{', '.join(group)}. Choose those streams, or a recipe that makes the others"
            )
        with self._naming_damage():
            arrays = [checked_dataset(group, name)[()] for name in streams]
        return np.concatenate(arrays, 1, dtype=np.float32)

    def streams_of(self, video: str) -> list[str]:
        """Return the names of the streams of a video."""
        return list(self._groups[video])

    def step_of(self, video: str) -> float | None:
        """Return the seconds from row to row where they are the video's own, else None."""
        step = self._about[video].get("step")
        return None if step is None else float(step)

    def video_attrs(self, video: str) -> dict[str, Any]:
        """Return the attributes of a video: id, split, duration, status, source_sha256."""
        return dict(self._about[video])


@dataclass(frozen=True)
class Stream:
    """One feature stream of a recipe: where its per-video files lie and their records."""

    name: str
    directory: Path
    records: Mapping[str, Record]


def pack(
    path: str | Path,
    manifest: Iterable[Mapping[str, str]],
    streams: list[Stream],
    *,
    attrs: Mapping[str, Any],
    grid: CommonGrid | None = None,
    dtype: str = "float32",
    max_missing: int | None = None,
) -> list[dict[str, Any]]:
    """Write features.h5 and return the coverage rows (id, split, status, rows, reason).

    A video is packed if every stream has rows. All streams get the rows of `grid`, if it is
    given, and the coverage says where a stream ends before them. Raises WstalError if more than
    `max_missing` videos are left out, naming them, if streams that share their rows differ in
    length, and for a file that is not the one of its record.
    """
    coverage, names = [], [stream.name for stream in streams]
    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs.update({"schema": SCHEMA, **attrs})
        provenance: dict[str, tuple[dict[str, Any], set[str]]] = {}
        for row in manifest:
            records = [stream.records.get(row["id"]) for stream in streams]
            coverage.append(_coverage_row(row, dict(zip(names, records, strict=True)), grid))
            if coverage[-1]["rows"] == 0:
                continue
            group = file.create_group(safe_name(row["id"]))
            group.attrs.update(
                id=row["id"],
                split=row["split"],
                duration=float(row["duration"]),
                status=coverage[-1]["status"],
                source_sha256=row.get("sha256", ""),
            )
            for stream, record in zip(streams, records, strict=True):
                features, made = _made(stream, record)
                if grid and not grid.is_shared:
                    features = grid.bring(stream.name, features, coverage[-1]["rows"])
                made_by = add_array(group, stream.name, features.astype(dtype))
                made_by.attrs["sha256"] = record.sha256
                first, varies = provenance.setdefault(stream.name, (made, set()))
                varies |= {key for key in made | first if made.get(key) != first.get(key)}
        about = {
            name: made | ({"varies": sorted(varies)} if varies else {})
            for name, (made, varies) in provenance.items()
        }
        file.attrs["provenance_json"] = json.dumps(about, sort_keys=True)
        seal(file)
        check_missing(coverage, max_missing)
    return coverage


def _made(stream: Stream, record: Record) -> tuple[np.ndarray, dict[str, Any]]:
    """Return the features `[T, D]` of a record, and how they were made."""
    path = stream.directory / record.path
    arrays, attrs = read_content(path, record.key, record.sha256)
    return arrays["features"], json.loads(attrs["provenance_json"])


def gather_streams(streams: Mapping[str, str], shards: Iterable[Path]) -> list[Stream]:
    """Return the streams of a recipe (name: stage) from the shard manifests of all stages."""
    records: dict[str, dict[str, Record]] = {}
    folders: dict[str, Path] = {}
    for shard in shards:
        folders[shard.parent.name] = shard.parent
        stage = records.setdefault(shard.parent.name, {})
        for record in read_shard(shard):
            if record.id in stage:
                raise WstalError(
                    f"{shard}: video {record.id} is in another shard, too; remove "
                    f"{shard.parent}/shard*.csv and run again: intact files are kept"
                )
            stage[record.id] = record
    return [Stream(name, folders[stage], records[stage]) for name, stage in streams.items()]


def check_ids(
    manifest: str | Path, rows: Iterable[Mapping[str, str]], streams: Iterable[Stream]
) -> None:
    """Raise WstalError unless the rows of a manifest and the records of all streams have the
    same ids: a video without a record was not looked at, and is not missing.
    """
    ids = {row["id"] for row in rows}
    for stream in streams:
        require_ids(manifest, ids, stream.records)
        if absent := sorted(ids - stream.records.keys()):
            raise WstalError(
                f"{stream.directory}/shard*.csv have no row for {len(absent)} of the videos of "
                f"{manifest} ({', '.join(absent[:3])}): one of them, or of the stages before, was "
                f"cut short. Remove {stream.directory.parent}/*/shard*.csv and run again: intact "
                "files are kept"
            )


def grid_attrs(
    dataset: str,
    recipe: str,
    grid: CommonGrid,
    digest: str,
    *,
    untrained: bool,
    accepted: Mapping[str, str],
) -> dict[str, Any]:
    """Return root attributes: the recipe (its name and digest) and its time grid (seconds)."""
    brought = {} if grid.is_shared else {"grid": grid.stream, "resample": grid.resample}
    return {
        "dataset": dataset,
        "recipe": recipe,
        "recipe_digest": digest,
        "fps": grid.rows.fps,
        "snippet": grid.rows.extent,
        "stride": grid.rows.stride,
        "t0": grid.rows.t0,
        "step": grid.rows.step,
        **brought,
        "weights": "untrained" if untrained else "pretrained",
        "accepted_code": canonical_json(accepted),
    }


def _coverage_row(
    row: Mapping[str, str], named: Mapping[str, Record | None], grid: CommonGrid | None
) -> dict[str, Any]:
    """Return the coverage row of a video: the worst status among its streams."""
    records = list(named.values())
    out = {"id": row["id"], "split": row["split"], "status": row["status"], "rows": 0}
    absent = [record for record in records if record is None or not record.usable]
    if absent:
        first = absent[0]
        out["status"] = first.status if first else (row["status"] if row["reason"] else MISSING)
        out["reason"] = first.reason if first else (row["reason"] or "no features were computed")
        return out
    lengths = {record.rows for record in records}
    is_shared = grid is None or grid.is_shared
    if is_shared and len(lengths) != 1:
        raise WstalError(
            f"video {row['id']}: its streams have different lengths {sorted(lengths)}; "
            "remove its feature files and run again"
        )
    order = [OK, NO_AUDIO, PARTIAL]
    statuses = [record.status for record in records if record] + [row["status"]]
    out["status"] = max((s for s in statuses if s in order), key=order.index, default=OK)
    out["reason"] = row["reason"] or next((r.reason for r in records if r and r.reason), "")
    count = lengths.pop() if is_shared else named[grid.stream].rows
    for name, record in () if is_shared else named.items():
        if beyond := grid.uncovered(name, record.rows, count):
            text = f"{beyond} of {count} rows lie beyond those of {name}: its nearest is repeated"
            out["reason"] = "; ".join(filter(None, (out["reason"], text)))
    return out | {"rows": count}


def check_missing(
    coverage: Iterable[Mapping[str, Any]], max_missing: int | None = None
) -> dict[str, Any]:
    """Count the rows of coverage.csv without features, and return them by COLUMNS.

    Raises WstalError, naming the first NAMED videos and their reasons, if they are more than
    `max_missing`.
    """
    coverage = list(coverage)
    absent = [row for row in coverage if not int(row["rows"])]
    if max_missing is not None and len(absent) > max_missing:
        shown = [f"{row['id']} ({row['status']}: {row['reason']})" for row in absent[:NAMED]]
        counts = Counter(str(row["status"]) for row in absent[NAMED:])
        if counts:
            kinds = ", ".join(f"{count} {status}" for status, count in counts.most_common())
            shown.append(f"and {counts.total()} others ({kinds}), which manifest.csv lists")
        names = "; ".join(shown)
        raise WstalError(
            f"{len(absent)} videos have no features, max_missing is {max_missing}: {names}. "
            "Supply them, remove them from the labels, or raise max_missing in the dataset YAML"
        )
    allowed = "any" if max_missing is None else max_missing
    return dict(zip(COLUMNS, (len(coverage), len(absent), allowed), strict=True))
