"""Which video files lie in a folder, as one digest per shard.

Snakemake compares the digest with the one of the last run, so that a video added, replaced or
removed reruns its own shard and no other.
"""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path

from wstal.data.folder import VIDEO_SUFFIXES
from wstal.shards import shard_of


def shard_listing(
    folder: str | Path, shards: int, named: Mapping[str, str] | None = None
) -> list[str]:
    """One digest per shard over the relative path, size and time of each video in it.

    A file counts for the shard of each id it can stand for: its name, its path below the
    folder, both without extension and without a leading `v_`. With `named` (the name given to
    each listed id) these are part of the digest and other files are not. A missing folder has no
    files.
    """
    lines: list[set[str]] = [set() for _ in range(shards)]
    for video, name in (named or {}).items():
        lines[shard_of(video, shards)].add(name)
    for path in videos_below(folder):
        if not path.is_file():
            continue
        stat = path.stat()
        relative = path.relative_to(folder)
        stem, whole = (spelling(part) for part in (path.stem, relative.with_suffix("").as_posix()))
        ids = {stem, whole, stem.removeprefix("v_"), f"v_{stem}"}
        for video in ids if named is None else ids & named.keys():
            line = f"{relative.as_posix()}\0{stat.st_size}\0{stat.st_mtime_ns}"
            lines[shard_of(video, shards)].add(line)
    return [hashlib.sha256("\n".join(sorted(each)).encode()).hexdigest()[:16] for each in lines]


def videos_below(folder: str | Path) -> Iterator[Path]:
    """Files with a video's extension in a folder and all below it, linked folders too.

    Hidden files are none: on macOS `._clip.mp4` lies beside `clip.mp4` on foreign disks.
    """
    seen: set[str] = set()
    for root, folders, names in os.walk(folder, followlinks=True):
        if (real := os.path.realpath(root)) in seen:
            folders.clear()  # a link that leads back
            continue
        seen.add(real)
        folders.sort()
        for path in (Path(root, name) for name in names if not name.startswith(".")):
            if path.suffix.lower() in VIDEO_SUFFIXES:
                yield path


def spelling(name: str) -> str:
    """A file's name in the spelling of the label files: macOS takes letters and accents apart."""
    return unicodedata.normalize("NFC", name)
