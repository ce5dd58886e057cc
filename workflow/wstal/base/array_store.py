"""Per-video array files that know what made them, and the shard manifests over them.

Each video has one HDF5 file per stage. Its root attributes hold the key of what made it, so
that a rerun keeps every file whose key still holds; a shard's manifest is the declared output
of a job, the arrays live beside it.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import h5py
import numpy as np

from wstal.base.errors import MediaError, WstalError
from wstal.base.files import atomic_path, remove_left_over, write_csv

LONGEST = 200  # bytes of a name: file systems take 255, suffixes and temporary names add to it
OK, NO_AUDIO, PARTIAL, MISSING, BROKEN = "ok", "no_audio", "partial", "missing", "broken"


@dataclass(frozen=True)
class Record:
    """One video of a shard manifest; `path` is relative to the stage's folder."""

    id: str
    status: str
    rows: int
    sha256: str
    path: str
    key: str
    reason: str = ""

    @property
    def usable(self) -> bool:
        """Whether arrays stand behind this record."""
        return self.status not in (MISSING, BROKEN)


class Item(Protocol):
    """What a stage works on: anything with an id; more as the stage needs."""

    id: str


def safe_name(video_id: str) -> str:
    """`video_id` as a file name or HDF5 key: all but letters, digits, `._-` percent-encoded.

    Of a name that would be too long for a file the beginning stays, `~` and a digest of the id.
    """
    if not video_id:
        raise WstalError("a video id is empty; give every row of the labels file an id")
    name = quote(video_id, safe="").replace("~", "%7E")
    if len(name) > LONGEST:  # nine bytes for a Chinese character: a title of 30 is enough
        digest = hashlib.sha256(video_id.encode()).hexdigest()[:16]
        return f"{name[: LONGEST - 17]}~{digest}"
    return "%2E" * len(name) if set(name) == {"."} else name


def artefact_key(source: str, stage: str, recipe: Mapping[str, Any], code: str) -> str:
    """The sha256 that names what made an artefact.

    `source` is the sha256 of the video file or the key of the upstream artefact, `recipe` the
    stage's own part of the recipe, `code` the stage's code digest. Device, backend and batch
    size are provenance, not key: they must not change the result.
    """
    text = json.dumps([source, stage, recipe, code], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


class ArrayStream:
    """A dataset that grows along its first axis and is hashed while it is written."""

    def __init__(self, dataset: h5py.Dataset, digest: hashlib._Hash) -> None:
        self.dataset, self._digest = dataset, digest

    def append(self, array: np.ndarray) -> None:
        """Add rows `[n, *tail]`."""
        array = np.ascontiguousarray(array, dtype=self.dataset.dtype)
        rows = self.dataset.shape[0]
        self.dataset.resize(rows + len(array), axis=0)
        self.dataset[rows:] = array
        self._digest.update(array)


class ArrayFile:
    """The file of one video while it is written."""

    def __init__(self, file: h5py.File) -> None:
        self._file = file
        self._digests: dict[str, hashlib._Hash] = {}

    @property
    def attrs(self) -> h5py.AttributeManager:
        """Root attributes."""
        return self._file.attrs

    def set_status(self, status: str, reason: str = "") -> None:
        """Record how the video fared."""
        self.attrs["status"], self.attrs["reason"] = status, reason

    def write(self, name: str, array: np.ndarray) -> None:
        """Write a whole array."""
        array = np.ascontiguousarray(array)
        self._file.create_dataset(name, data=array)
        self._digest(name, array.dtype, array.shape[1:]).update(array)

    def stream(
        self, name: str, tail: tuple[int, ...], dtype: Any, *, chunk_rows: int, **filters: Any
    ) -> ArrayStream:
        """Start an array `[0, *tail]` that grows in chunks of `chunk_rows`.

        `filters` goes to h5py (for example `**hdf5plugin.Zstd(1)`).
        """
        dataset = self._file.create_dataset(
            name,
            shape=(0, *tail),
            maxshape=(None, *tail),
            dtype=dtype,
            chunks=(chunk_rows, *tail),
            **filters,
        )
        return ArrayStream(dataset, self._digest(name, np.dtype(dtype), tail))

    def _digest(self, name: str, dtype: np.dtype, tail: tuple[int, ...]) -> hashlib._Hash:
        self._digests[name] = hashlib.sha256(f"{name} {dtype.str} {tail}".encode())
        return self._digests[name]

    def sha256(self) -> str:
        """The digest over all arrays: names, types, shapes and values."""
        parts = [self._digests[name].digest() for name in sorted(self._digests)]
        return hashlib.sha256(b"".join(parts)).hexdigest()


@contextmanager
def create_arrays(
    path: str | Path, *, id: str, stage: str, key: str, provenance: Mapping[str, Any]
) -> Iterator[ArrayFile]:
    """Write the file of one video; it appears under `path` only when the block succeeds."""
    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
        arrays = ArrayFile(file)
        arrays.attrs.update({"id": id, "stage": stage, "key": key})
        arrays.attrs["provenance_json"] = json.dumps(provenance, sort_keys=True)
        arrays.set_status(OK)
        yield arrays
        arrays.attrs["sha256"] = arrays.sha256()


def read_arrays(path: str | Path, names: Iterable[str] | None = None) -> dict[str, np.ndarray]:
    """Read whole arrays by name (all of them by default)."""
    with h5py.File(path, "r") as file:
        return {name: file[name][()] for name in (file if names is None else names)}


def read_attrs(path: str | Path) -> dict[str, Any]:
    """Read the root attributes as plain Python values."""
    with h5py.File(path, "r") as file:
        return {k: v.item() if isinstance(v, np.generic) else v for k, v in file.attrs.items()}


def holds(path: str | Path, key: str) -> bool:
    """Whether `path` is a whole file made under `key`."""
    try:
        return read_attrs(path).get("key") == key
    except OSError:
        return False


def write_shard(path: str | Path, records: Iterable[Record]) -> None:
    """Write a shard manifest, sorted by id."""
    rows = sorted((vars(record) for record in records), key=lambda row: row["id"])
    write_csv(path, [field.name for field in fields(Record)], rows)


def read_shard(path: str | Path) -> list[Record]:
    """Read a shard manifest."""
    with Path(path).open(newline="", encoding="utf-8") as file:
        return [Record(**{**row, "rows": int(row["rows"])}) for row in csv.DictReader(file)]


def process_shard(
    items: Iterable[Item],
    *,
    stage: str,
    directory: str | Path,
    key_of: Callable[[Any], str],
    make: Callable[[Any, ArrayFile], int],
    provenance: Mapping[str, Any],
    track: Callable[[Iterable], Iterable] = iter,
) -> list[Record]:
    """Make or keep the file of each item and return the shard's records.

    `make(item, file)` writes the arrays and returns their number of rows. A `MediaError`
    becomes a `broken` record. Any other exception leaves that video undone: the others are
    still made and kept, then a WstalError names every failed video.
    """
    directory, records, failures = Path(directory), [], []
    remove_left_over(directory)
    for item in track(items):
        path = directory / f"{safe_name(item.id)}.h5"
        key = key_of(item)
        try:
            if not holds(path, key):
                with create_arrays(
                    path, id=item.id, stage=stage, key=key, provenance=provenance
                ) as file:
                    file.attrs["rows"] = make(item, file)
            attrs = read_attrs(path)
            records.append(
                Record(
                    id=item.id,
                    status=attrs["status"],
                    rows=attrs["rows"],
                    sha256=attrs["sha256"],
                    path=path.name,
                    key=key,
                    reason=attrs["reason"],
                )
            )
        except MediaError as error:
            path.unlink(missing_ok=True)
            records.append(Record(item.id, BROKEN, 0, "", "", key, str(error)))
        except Exception as error:  # noqa: BLE001  one video must not cost the others
            failures.append((item.id, error))
    if failures:
        names = "; ".join(f"{id}: {type(error).__name__}: {error}" for id, error in failures)
        raise WstalError(
            f"{stage}: {len(failures)} of {len(failures) + len(records)} videos failed, the rest "
            f"are kept and will not be computed again. {names}"
        ) from failures[0][1]
    return records
