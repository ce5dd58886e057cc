"""Snakemake's locks, each with the process that holds it.

Snakemake writes the names of the inputs and outputs of a run into lock files, and refuses another
run that meets them. It does not write whose they are: after a kill the lock remains until a person
removes it, and the end of one run removes the locks of all. Here each lock file has an owner
beside it. A lock goes when its process is gone from this machine, and a run removes its own alone.
rules/common.smk lets Snakemake use these functions; the format of its files is unchanged.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

from wstal.base.process import GONE, Process, read_process, this_process

_LOCK = re.compile(r"\d+\.(input|output)\.lock\Z")


def install(
    persistence: type, report: Callable[[str], object], refusal: Callable[[], Exception]
) -> None:
    """Let Snakemake's class for files below .snakemake keep its locks by this module.

    Snakemake looks for locks and then writes its own, first of inputs, then of outputs. Two runs
    that start together would both find none. So both are written at once, after a second look, by
    one process at a time; `refusal()` is raised if another run came first.
    """

    def read(self: Any) -> Iterator[tuple[str, str]]:
        return read_locks(Path(self._lockdir), report)

    def write(self: Any, kind: str, files: Iterable[str]) -> None:
        self._wanted = getattr(self, "_wanted", {}) | {kind: list(files)}
        if kind == "input":
            return
        folder = Path(self._lockdir)
        with _alone(folder):
            if meets(self._wanted, read_locks(folder, report)):
                raise refusal()
            for each, names in self._wanted.items():
                if path := write_locks(folder, each, names):
                    self._lockfile[each] = path

    def delete(self: Any) -> None:
        delete_locks(self._lockfile.values())
        self._lockfile.clear()

    def delete_all(self: Any) -> None:
        delete_all_locks(Path(self._lockdir))

    persistence._read_locks, persistence._write_locks = read, write
    persistence._delete_locks, persistence.cleanup_locks = delete, delete_all


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Run the block in one process at a time, where the file system has locks."""
    folder.mkdir(parents=True, exist_ok=True)
    number = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(number, fcntl.LOCK_EX)
        yield
    finally:
        os.close(number)


def meets(wanted: Mapping[str, Iterable[str]], held: Iterable[tuple[str, str]]) -> bool:
    """Return whether a run would write what another reads or writes, or read what it writes."""
    inputs, outputs = set(wanted.get("input", ())), set(wanted.get("output", ()))
    return any(file in outputs or (kind == "output" and file in inputs) for kind, file in held)


def read_locks(folder: Path, report: Callable[[str], object]) -> Iterator[tuple[str, str]]:
    """Yield (kind, file) for each file that a run holds; kind is `input` or `output`.

    Locks of processes that are gone from this machine are removed first, and `report` gets a line
    about each of these processes. A lock without an owner, as Snakemake itself writes it, is kept.
    """
    names = {path.with_suffix(".lock") for path in _listed(folder)}
    owners = {path: _owner(path) for path in sorted(names) if _LOCK.match(path.name)}
    gone = {path: owner for path, owner in owners.items() if owner and owner.state() == GONE}
    delete_locks(gone)
    for number in sorted({owner.number for owner in gone.values()}):
        report(f"Process {number} was killed: removed its lock; its unfinished jobs run again.")
    for path in sorted(set(owners) - set(gone)):
        with suppress(FileNotFoundError):  # its run has just ended
            kind = path.name.split(".")[1]
            for line in path.read_text(encoding="utf-8").splitlines():
                yield kind, line.strip()


def write_locks(folder: Path, kind: str, files: Iterable[str]) -> Path | None:
    """Write a lock on `files` for this process; return its path, None if there are no files."""
    text = "".join(f"{file}\n" for file in files)
    if not text:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    for number in count():
        path = folder / f"{number}.{kind}.lock"
        try:
            with _owner_file(path).open("x", encoding="utf-8") as owner:
                owner.write(f"{this_process()}\n")
        except FileExistsError:
            continue
        if path.exists():  # a lock that Snakemake itself wrote
            _owner_file(path).unlink()
            continue
        path.write_text(text, encoding="utf-8")
        return path
    raise AssertionError  # count() does not end


def delete_locks(locks: Iterable[Path]) -> None:
    """Remove the locks of a run, and their owners."""
    for path in locks:
        path.unlink(missing_ok=True)
        _owner_file(path).unlink(missing_ok=True)  # last: a lock without an owner would stay


def delete_all_locks(folder: Path) -> None:
    """Remove the locks of all runs, as for `snakemake --unlock`."""
    delete_locks(path for path in _listed(folder) if path.suffix in (".lock", ".owner"))


def _listed(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _owner_file(path: Path) -> Path:
    return path.with_suffix(".owner")


def _owner(path: Path) -> Process | None:
    with suppress(OSError):
        return read_process(_owner_file(path).read_text(encoding="utf-8"))
    return None
