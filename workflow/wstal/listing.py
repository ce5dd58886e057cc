"""Which video files lie in a folder, as one digest per shard.

Snakemake compares the digest with the one of the last run, so that a video added, replaced or
removed reruns its own shard and no other.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from wstal.data.folder import VIDEO_SUFFIXES
from wstal.shards import shard_of


def shard_listing(folder: str | Path, shards: int, ids: Iterable[str] | None = None) -> list[str]:
    """One digest per shard over the relative path, size and time of each video in it.

    A file counts for the shard of each id it can stand for: its name, its path below the
    folder, both without extension and without a leading `v_`. With `ids` the listed ids are
    part of the digest and other files are not. A missing folder has no files.
    """
    wanted = None if ids is None else set(ids)
    lines: list[set[str]] = [set() for _ in range(shards)]
    for name in wanted or ():
        lines[shard_of(name, shards)].add(name)
    for path, size, modified in _videos(Path(folder)):
        relative = Path(path).with_suffix("")
        names = {relative.name, relative.as_posix(), relative.name.removeprefix("v_")}
        names |= {f"v_{relative.name}"}
        for name in names if wanted is None else names & wanted:
            lines[shard_of(name, shards)].add(f"{path}\0{size}\0{modified}")
    return [hashlib.sha256("\n".join(sorted(each)).encode()).hexdigest()[:16] for each in lines]


def _videos(folder: Path) -> Iterator[tuple[str, int, int]]:
    for root, _, files in os.walk(folder):
        for name in files:
            path = Path(root, name)
            if path.suffix.lower() in VIDEO_SUFFIXES and path.is_file():
                stat = path.stat()
                yield path.relative_to(folder).as_posix(), stat.st_size, stat.st_mtime_ns
