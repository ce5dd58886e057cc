"""Per-video array files that record what made them, and the manifests of their shards.

Each video has one HDF5 file per stage. Its root attributes contain the key of what made it, so
that a rerun keeps every file whose key is still the same. A shard's manifest is the declared
output of a job; the array files are beside it.

Damage is noticed when a file is read: each chunk of an array has a checksum (HDF5's Fletcher-32),
and names, types, shapes and attributes have a digest (`seal`). The digest of the arrays' values is
in the manifest, and is compared where features are packed.
"""

from __future__ import annotations

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

from wstal.base.errors import DiskFullError, MediaError, WstalError
from wstal.base.files import atomic_path, read_table, write_csv
from wstal.base.memory import begin_video, is_out_of_memory, memory_reason

CHUNK_BYTES = 1 << 20  # of an array in one piece: what HDF5 caches
SEAL = "outline_sha256"  # root attribute: the digest that `seal` writes
LONGEST_NAME = 200  # bytes; file systems take 255, and suffixes and temporary names add to it
OK, NO_AUDIO, PARTIAL, MISSING, BROKEN = "ok", "no_audio", "partial", "missing", "broken"
STATUSES = (OK, NO_AUDIO, PARTIAL, MISSING, BROKEN)

# Progress within a video: (id, chunks `[n, ...]`, expected number of rows) -> the same chunks.
Within = Callable[[str, Iterable[np.ndarray], int], Iterable[np.ndarray]]


@dataclass(frozen=True)
class Record:
    """A row of a shard manifest: one video; `path` is relative to the stage's folder."""

    id: str
    status: str
    rows: int
    sha256: str
    path: str
    key: str
    reason: str = ""

    @property
    def usable(self) -> bool:
        """Whether the video has an array file."""
        return self.status not in (MISSING, BROKEN)


class Item(Protocol):
    """What a stage processes: anything with an id, and whatever else the stage needs."""

    id: str


def safe_name(video_id: str) -> str:
    """Return `video_id` as a file name or HDF5 key: only letters, digits and `._-` are kept.

    Other characters are percent-encoded. A name too long for a file is shortened to its beginning,
    `~` and a digest of the id. Raises WstalError for an empty id.
    """
    if not video_id:
        raise WstalError("a video id is empty; give every row of the labels file an id")
    name = quote(video_id, safe="").replace("~", "%7E")
    if len(name) > LONGEST_NAME:  # a Chinese character takes nine bytes: a title of 30 is too long
        digest = hashlib.sha256(video_id.encode()).hexdigest()[:16]
        return f"{name[: LONGEST_NAME - 17]}~{digest}"
    return "%2E" * len(name) if set(name) == {"."} else name


def artefact_key(source: str, stage: str, recipe: Mapping[str, Any], code: str) -> str:
    """Return the sha256 that identifies what made an artefact.

    `source` is the sha256 of the video file or the key of the upstream artefact, `recipe` the
    stage's own section of the recipe, `code` the stage's code digest. Device, backend and batch
    size are provenance and no part of the key: they must not change the result.
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
        """Record the video's status, one of those above, and the reason if it is not OK."""
        self.attrs["status"], self.attrs["reason"] = status, reason

    def write(self, name: str, array: np.ndarray) -> None:
        """Write a whole array."""
        add_array(self._file, name, array)
        self._digests[name] = array_digest(name, array)

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
            fletcher32=True,
            **filters,
        )
        self._digests[name] = array_digest(name, np.empty((0, *tail), dtype))
        return ArrayStream(dataset, self._digests[name])

    def sha256(self) -> str:
        """Return the digest of all arrays: names, types, shapes and values."""
        return join_digests(self._digests)


def array_digest(name: str, array: np.ndarray) -> hashlib._Hash:
    """Return the digest of an array: name, type, shape of a row, values."""
    array = np.ascontiguousarray(array)
    digest = hashlib.sha256(f"{name} {array.dtype.str} {array.shape[1:]}".encode())
    digest.update(array)
    return digest


def join_digests(digests: Mapping[str, hashlib._Hash]) -> str:
    """Return one digest of the arrays of a file, by name."""
    parts = [digests[name].digest() for name in sorted(digests)]
    return hashlib.sha256(b"".join(parts)).hexdigest()


def add_array(group: h5py.Group, name: str, array: np.ndarray) -> h5py.Dataset:
    """Write a whole array with checksums; a damaged one raises OSError when it is read."""
    array = np.ascontiguousarray(array)
    if not array.size or not array.ndim:  # HDF5 has no chunks of these
        return group.create_dataset(name, data=array)
    pieces = -(-array.nbytes // CHUNK_BYTES)
    rows = -(-len(array) // pieces)  # of equal pieces: HDF5 pads the last one
    chunks = (rows, *array.shape[1:])
    return group.create_dataset(name, data=array, chunks=chunks, fletcher32=True)


def seal(file: h5py.File) -> None:
    """Record a digest of names, types, shapes and attributes, for `require_seal`."""
    file.attrs[SEAL] = _outline_digest(file)


def require_seal(file: h5py.File) -> None:
    """Raise OSError if names, types, shapes or attributes differ from those that were sealed.

    A file that was never sealed passes.
    """
    if SEAL in file.attrs and file.attrs[SEAL] != _outline_digest(file):
        raise OSError("its names or attributes are not those that were written")


def _outline_digest(file: h5py.File) -> str:
    digest = hashlib.sha256()

    def add(name: str, item: h5py.Group | h5py.Dataset) -> None:
        form = f"{item.dtype.str} {item.shape}" if isinstance(item, h5py.Dataset) else "group"
        attrs = {k: v.tolist() if hasattr(v, "tolist") else v for k, v in item.attrs.items()}
        attrs.pop(SEAL, None)
        digest.update(f"{name}\0{form}\0{json.dumps(attrs, sort_keys=True)}\n".encode())

    add("", file)
    file.visititems(add)
    return digest.hexdigest()


@contextmanager
def create_arrays(
    path: str | Path, *, id: str, stage: str, key: str, provenance: Mapping[str, Any]
) -> Iterator[ArrayFile]:
    """Open a video's file for writing; it appears at `path` only if the block succeeds."""
    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
        arrays = ArrayFile(file)
        arrays.attrs.update({"id": id, "stage": stage, "key": key})
        arrays.attrs["provenance_json"] = json.dumps(provenance, sort_keys=True)
        arrays.set_status(OK)
        yield arrays
        arrays.attrs["sha256"] = arrays.sha256()
        seal(file)


@contextmanager
def naming_damage(path: str | Path, remedy: str) -> Iterator[None]:
    """Raise WstalError, which names `path` and says what to do, for any error of the block.

    The block must do nothing but read the HDF5 file at `path`.
    """
    try:
        yield
    except WstalError:
        raise
    except Exception as error:  # where bytes were overwritten, HDF5 and h5py raise what they will
        raise WstalError(f"{path} is damaged or missing ({error}). {remedy}") from error


@contextmanager
def open_arrays(path: str | Path) -> Iterator[h5py.File]:
    """Open a video's file for reading, for a block that does nothing else.

    Raises WstalError that names the file and says what to delete if it is missing or damaged, also
    where the block finds that an array is.
    """
    remedy = f"Remove it and {Path(path).parent}/shard*.csv, then run again: intact files are kept"
    with naming_damage(path, remedy), h5py.File(path, "r") as file:
        require_seal(file)
        yield file


def read_arrays(path: str | Path, names: Iterable[str] | None = None) -> dict[str, np.ndarray]:
    """Read whole arrays by name (all of them by default); raise as `open_arrays`."""
    with open_arrays(path) as file:
        return {name: file[name][()] for name in (file if names is None else names)}


def read_attrs(path: str | Path) -> dict[str, Any]:
    """Read the root attributes as plain Python values; raise as `open_arrays`."""
    with open_arrays(path) as file:
        return {k: v.item() if isinstance(v, np.generic) else v for k, v in file.attrs.items()}


def has_key(path: str | Path, key: str) -> bool:
    """Return whether `path` is a complete file with this key."""
    try:
        return read_attrs(path).get("key") == key
    except WstalError:
        return False


def read_content(
    path: str | Path, key: str, sha256: str
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the arrays and root attributes of the file of a record with this key and digest.

    Raises WstalError if the file is another one or its arrays have other values, and as
    `open_arrays`.
    """
    arrays, attrs = read_arrays(path), read_attrs(path)
    digest = join_digests({name: array_digest(name, array) for name, array in arrays.items()})
    if attrs.get("key") != key or digest != sha256:
        differs = "content" if attrs.get("key") == key else "key"
        raise WstalError(
            f"{path} is not the file that its manifest lists: another {differs}. Remove it and "
            f"{Path(path).parent}/shard*.csv, then run again: intact files are kept"
        )
    return arrays, attrs


def write_shard(path: str | Path, records: Iterable[Record]) -> None:
    """Write a shard manifest, sorted by id."""
    rows = sorted((vars(record) for record in records), key=lambda row: row["id"])
    write_csv(path, [field.name for field in fields(Record)], rows)


def read_shard(path: str | Path) -> list[Record]:
    """Read a shard manifest; raise WstalError as `read_table`, and for a row of other values."""
    names = [field.name for field in fields(Record)]
    rows = read_table(path, names)
    for row in rows:
        if row["status"] not in STATUSES or not row["rows"].isdigit():
            raise WstalError(
                f"{path}: video {row['id']} has the status {row['status']!r} and {row['rows']!r} "
                "rows; remove the file and run again"
            )
    return [
        Record(**{name: row[name] for name in names} | {"rows": int(row["rows"])}) for row in rows
    ]


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
    """Make each item's file, unless one with its key exists, and return the shard's records.

    `make(item, file)` writes the arrays and returns their number of rows. A `MediaError` becomes
    a `broken` record, as does a video for which memory does not suffice. A full disk ends the job.
    After any other exception the remaining videos are still made, then a WstalError names every
    video that failed.
    """
    directory, records, failures = Path(directory), [], []
    for item in track(items):
        path = directory / f"{safe_name(item.id)}.h5"
        key = key_of(item)
        try:
            if not has_key(path, key):
                begin_video(item.id, stage)
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
            reason = memory_reason(stage) if is_out_of_memory(error) else str(error)
            records.append(Record(item.id, BROKEN, 0, "", "", key, reason))
        except DiskFullError:
            raise
        except Exception as error:  # noqa: BLE001  one video must not cost the others
            if is_out_of_memory(error):
                records.append(Record(item.id, BROKEN, 0, "", "", key, memory_reason(stage)))
            else:
                failures.append((item.id, error))
    if failures:
        names = "; ".join(f"{id}: {type(error).__name__}: {error}" for id, error in failures)
        raise WstalError(
            f"{stage}: {len(failures)} of {len(failures) + len(records)} videos failed; the "
            f"others are kept and will not be computed again. {names}"
        ) from failures[0][1]
    return records


def unseen(video: str, chunks: Iterable[np.ndarray], total: int) -> Iterable[np.ndarray]:
    """Return the chunks unchanged: a `Within` that reports no progress."""
    return chunks
