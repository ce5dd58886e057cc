"""Snakemake compares the content of large files too, and keeps its records with the results."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import pytest
from wstal.config import contents


class File:
    """Snakemake's class of an input or output, as far as it is changed."""

    is_storage = False

    def __init__(self, file: Path) -> None:
        self.file = str(file)

    async def exists_local(self) -> bool:
        return Path(self.file).exists()

    async def is_checksum_eligible(self, threshold):
        return False

    async def checksum(self, threshold=None, force=False, algorithm=None):
        return "own" if await self.is_checksum_eligible(threshold) else None


class Persistence:
    """Snakemake's class of records."""

    def __init__(self, root: Path) -> None:
        self._metadata_path = str(root / ".snakemake/metadata")
        Path(self._metadata_path).mkdir(parents=True)

    def _record_path(self, subject, id):
        return str(Path(subject) / id.replace("results/", "cmVzdWx0cy"))


@pytest.fixture
def classes(tmp_path):
    file, persistence = type("F", (File,), {}), type("P", (Persistence,), {})
    for name in ("is_checksum_eligible", "checksum"):
        setattr(file, name, getattr(File, name))
    persistence._record_path = Persistence._record_path
    contents.install(persistence, file, tmp_path / "kept.json")
    return file, persistence


def test_files_of_any_size_are_compared_and_large_ones_read_once(classes, tmp_path, monkeypatch):
    file, _ = classes
    small, large = tmp_path / "small", tmp_path / "large"
    small.write_bytes(b"1")
    large.write_bytes(bytes(contents.SMALL + 1))
    expected = f"sha256:{hashlib.sha256(large.read_bytes()).hexdigest()}"
    assert asyncio.run(file(small).checksum(1)) == "own"
    assert asyncio.run(file(large).checksum(1)) == expected
    assert asyncio.run(file(large).checksum(1, force=True)) == "own"
    assert asyncio.run(file(tmp_path).checksum(1)) is None  # a folder
    assert asyncio.run(file(tmp_path / "absent").checksum(1)) is None


def test_records_of_results_are_beside_them_and_older_ones_are_moved_there(classes, tmp_path):
    _, persistence = classes
    records = persistence(tmp_path)
    old = Path(records._metadata_path)
    (old / "cmVzdWx0cya.csv").write_text("older")
    (old / "another").write_text("stays")
    path = Path(records._record_path(records._metadata_path, "results/a.csv"))
    assert path == tmp_path / contents.RECORDS / "cmVzdWx0cya.csv"
    assert path.read_text() == "older" and (old / "another").read_text() == "stays"
    assert Path(records._record_path(records._metadata_path, "another")) == old / "another"
    other = str(tmp_path / ".snakemake/incomplete")
    assert records._record_path(other, "results/a.csv").startswith(other)
