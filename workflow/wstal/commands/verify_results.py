"""Check every file below a folder of results for damage; nothing is changed.

Files of arrays, features and scores are read whole and compared with the checksums and digests in
them, checkpoints and archives with theirs. The manifest of a shard must list the files beside it.
Tables and JSON must be whole, but have no checksum: a changed digit in one is not seen. Each
damaged file is named with what to delete; the exit status is 1 if there is any.

Examples:
  wstal verify-results results/mine
  wstal verify-results results/thumos14/i3d_tvl1/flow results/thumos14/i3d_tvl1/features.h5
"""

import argparse
import gzip
import hashlib
import json
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path

import h5py
import hdf5plugin  # noqa: F401  registers the compression of flow files

from wstal.commands.console import Add, Program, log, track
from wstal.base.array_store import (
    Record,
    array_digest,
    join_digests,
    naming_damage,
    read_arrays,
    read_attrs,
    read_shard,
)
from wstal.base.errors import WstalError
from wstal.base.files import read_table
from wstal.features.pack import SCHEMA, FeatureFile
from wstal.localize.scores import ScoreHistory, read_scores

REMEDY = "Remove it and run again"
UNREAD = ("logs", "benchmarks", ".records")  # folders that no rule reads from


def add_arguments(add: Add) -> None:
    add("paths", type=Path, nargs="+", help="folders, with all below them, or files")


def verify_results(args: argparse.Namespace) -> str | None:
    files = [file for path in args.paths for file in result_files(path)]
    skipped = Counter(path.suffix for path in files if kind(path) is None)
    checked = [path for path in files if kind(path)]
    damaged = 0
    for path in track("verify", "file")(checked):
        if problem := find_damage(path):
            damaged += 1
            print(problem, flush=True)
    if skipped:
        kinds = ", ".join(f"{count} {suffix or 'others'}" for suffix, count in skipped.items())
        log(f"not checked, as they have no checksum: {kinds}")
    counts = f"{len(checked)} files checked, {damaged} damaged"
    if damaged:
        return counts
    print(counts)
    return None


def result_files(path: Path) -> Iterator[Path]:
    """Yield the files below `path`, sorted; WstalError if it does not exist.

    Temporary files, logs and benchmarks are left out.
    """
    if not path.exists():
        raise WstalError(f"{path} does not exist; name a folder of results, such as results/mine")
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        parts = file.relative_to(path).parts[:-1]
        is_left_out = file.name[0] == "." or any(part in UNREAD for part in parts)
        is_link = ".finished" in parts and file.name != "sha256.json"  # which lists their digests
        if file.is_file() and not is_left_out and not is_link:
            yield file


def find_damage(path: Path) -> str:
    """Return what is wrong with a file and what to delete; "" if it is as it was written."""
    try:
        if not path.stat().st_size:
            return f"{path} is empty. {REMEDY}"
        check = kind(path)
        if check:
            check(path)
    except (WstalError, OSError) as error:
        return str(error)
    except (ValueError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        return f"{path} is damaged ({error}). {REMEDY}"
    return ""


def kind(path: Path) -> Callable[[Path], object] | None:
    """Return the function that reads files of this kind and raises for a damaged one."""
    if path.name.endswith(".json.gz"):
        return lambda path: json.loads(gzip.decompress(path.read_bytes()))
    if path.parent.name == ".finished":
        return _check_finished
    return CHECKS.get(path.suffix)


def _check_hdf5(path: Path) -> None:
    with naming_damage(path, REMEDY), h5py.File(path, "r") as file:
        attrs, names = dict(file.attrs), list(file)
    if "stage" in attrs:
        arrays = read_arrays(path)
        digest = join_digests({name: array_digest(name, array) for name, array in arrays.items()})
        if digest != attrs.get("sha256"):
            raise WstalError(
                f"{path} is damaged: its arrays are not those that were written. Remove it and "
                f"{path.parent}/shard*.csv, then run again: intact files are kept"
            )
    elif attrs.get("schema") == SCHEMA:
        with FeatureFile(path) as features:
            for video in features.ids():
                features.read(video, features.streams_of(video))
    elif "classes_json" in attrs:
        read_scores(path)
    elif names and all(name.isdigit() for name in names):
        for _ in ScoreHistory(path):
            pass
    else:
        raise ValueError("it is not an HDF5 file of this project, or its head is overwritten")


def _check_table(path: Path) -> None:
    rows = read_table(path, (), key=None)
    names = {field.name for field in fields(Record)}
    if not path.name.startswith("shard") or not rows or not names <= rows[0].keys():
        return
    for record in read_shard(path):
        if record.usable and record.path:
            attrs = read_attrs(path.parent / record.path)
            if (attrs.get("key"), attrs.get("sha256")) != (record.key, record.sha256):
                raise ValueError(f"{record.path} is not the file that it lists")


def _check_zip(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        if bad := archive.testzip():
            raise ValueError(f"its part {bad} differs from its checksum")


def _check_finished(path: Path) -> None:
    """The links to the outputs of a finished run, by their digests."""
    for name, sha256 in json.loads(path.read_bytes()).items():
        with (path.parent / name).open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
                raise ValueError(
                    f"{name} differs from its digest; also remove {path.parent.parent / name}"
                )


CHECKS: dict[str, Callable[[Path], object]] = {
    ".h5": _check_hdf5,
    ".csv": _check_table,
    ".json": lambda path: json.loads(path.read_bytes()),
    ".pt": _check_zip,
    ".npz": _check_zip,
}

COMMAND = Program(__doc__, add_arguments, verify_results)
