"""Record every number of a results tree, and compare two such records.

A refactoring must not change any number. Arrays of HDF5 files and tensors of checkpoints are
compared bit by bit, JSON and CSV files by their values. Provenance (code digests, versions, paths,
times) is ignored.

Examples:
  python -m benchmarks.studies.fingerprint results --output before.json
  python -m benchmarks.studies.fingerprint results --output after.json
  python -m benchmarks.studies.fingerprint --compare before.json after.json
"""

from __future__ import annotations

import argparse
import csv
import gzip
import hashlib
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import h5py
import hdf5plugin  # noqa: F401  registers the compression that feature files use
import numpy as np
import torch

PROVENANCE = ("key", "code", "sha256", "path", "versions")


def digest(data: bytes) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256."""
    return hashlib.sha256(data).hexdigest()[:16]


def array_digest(array: np.ndarray) -> str:
    """Return the digest of an array's type, shape and bytes."""
    array = np.ascontiguousarray(array)
    return digest(f"{array.dtype}{array.shape}".encode() + array.tobytes())


def hdf5_values(path: Path) -> Iterator[tuple[str, str]]:
    """Yield (name, digest) of each array in an HDF5 file."""
    found: dict[str, str] = {}

    def visit(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = array_digest(item[()])

    with h5py.File(path) as file:
        file.visititems(visit)
    yield from found.items()


def tensor_values(content: object, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield (name, digest) of each tensor in nested mappings and lists."""
    if isinstance(content, torch.Tensor):
        yield name, array_digest(content.cpu().numpy())
    elif isinstance(content, dict):
        for key, value in content.items():
            yield from tensor_values(value, f"{name}/{key}")
    elif isinstance(content, list | tuple):
        for key, value in enumerate(content):
            yield from tensor_values(value, f"{name}/{key}")


def json_digest(path: Path) -> str:
    """Return the digest of a JSON file's values without its provenance."""
    data = path.read_bytes()
    content = json.loads(gzip.decompress(data) if path.suffix == ".gz" else data)
    content.pop("external_data", None)
    return digest(json.dumps(content, sort_keys=True).encode())


def table_digest(path: Path, checkout: str) -> str:
    """Return the digest of a CSV table without provenance and the place of the checkout."""
    text = path.read_text(encoding="utf-8").replace(checkout, "")
    rows = list(csv.DictReader(io.StringIO(text)))
    kept = [{k: v for k, v in row.items() if k not in PROVENANCE} for row in rows]
    return digest(json.dumps(kept, sort_keys=True).encode())


def values(path: Path, checkout: str) -> Iterator[tuple[str, str]]:
    """Yield (name, digest) of everything in a file; nothing for files of other kinds."""
    if path.suffix == ".h5":
        yield from hdf5_values(path)
    elif path.suffix == ".pt":
        yield from tensor_values(torch.load(path, weights_only=True))
    elif path.name.endswith((".json", ".json.gz")):
        yield "", json_digest(path)
    elif path.suffix == ".csv":
        yield "", table_digest(path, checkout)


def fingerprint(folder: Path) -> dict[str, str]:
    """Return the digests of all files below a folder, by `path:name`."""
    skipped = {"logs", "benchmarks", "cache", ".records"}
    checkout = str(folder.resolve().parent)
    found = (p for p in sorted(folder.rglob("*")) if p.is_file())
    files = [p for p in found if not any(part[0] == "." for part in p.relative_to(folder).parts)]
    return {
        f"{path.relative_to(folder).as_posix()}:{name}": value
        for path in files
        if not skipped & set(path.relative_to(folder).parts)
        for name, value in values(path, checkout)
    }


def differences(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """Return a line for each value that differs or is missing in one record."""
    lines = [f"missing afterwards: {name}" for name in before.keys() - after.keys()]
    lines += [f"new: {name}" for name in after.keys() - before.keys()]
    lines += [f"differs: {n}" for n in before.keys() & after.keys() if before[n] != after[n]]
    return sorted(lines)


def main() -> None:
    """Record a tree, or compare two records; exit with 1 if they differ."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("folder", type=Path, nargs="?", help="a results folder to record")
    arguments.add_argument("--output", type=Path, help="where the record is written")
    arguments.add_argument("--compare", type=Path, nargs=2, metavar=("BEFORE", "AFTER"))
    args = arguments.parse_args()
    if args.compare:
        before, after = (json.loads(path.read_text()) for path in args.compare)
        lines = differences(before, after)
        print(*lines, sep="\n")
        print(f"{len(before)} values before, {len(after)} after, {len(lines)} differences")
        sys.exit(bool(lines))
    record = fingerprint(args.folder)
    args.output.write_text(json.dumps(record, indent=0, sort_keys=True) + "\n")
    print(f"{len(record)} values of {args.folder} recorded in {args.output}")


if __name__ == "__main__":
    main()
