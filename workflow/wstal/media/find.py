"""Which file below a folder belongs to a video id."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path, PurePosixPath

from wstal.datasets.folder import VIDEO_SUFFIXES, video_id

# FOLDED Which video files lie in a folder, as one digest per shard.
# FOLDED
# FOLDED Snakemake compares the digest with the one of the last run, so that a video added, replaced or
# FOLDED removed reruns its own shard and no other.


def shard_of(video_id: str, shards: int) -> int:
    """Return the shard of a video, 0 to `shards` - 1: fixed by its id alone.

    Adding or removing a video never moves another one.
    """
    return int(hashlib.sha1(video_id.encode(), usedforsecurity=False).hexdigest(), 16) % shards


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


@dataclass(frozen=True)
class Found:
    """A video id, its file (None: there is none) and what a user should know about the choice."""

    id: str
    path: Path | None
    note: str = ""


def find_videos(
    folder: str | Path, ids: Iterable[str], files: Mapping[str, str] | None = None
) -> list[Found]:
    """The file of each id below `folder`, by name, with any video extension.

    The id may be a file's path below the folder or its bare name, without extension; a leading
    `v_` may lack or be too much on either side. Of several files the first in that order, then
    in the order of their paths, is taken and the others are named. For an id without a file
    similar names are given. `files` names the file of ids that are called otherwise; of several
    the one with that very name, extension included, is taken.
    """
    folder, called = Path(folder), files or {}
    paths: dict[str, list[Path]] = {}
    names: dict[str, list[Path]] = {}
    for path in sorted(videos_below(folder)):
        relative = path.relative_to(folder).with_suffix("").as_posix()
        paths.setdefault(spelling(relative), []).append(path)
        names.setdefault(spelling(path.stem), []).append(path)
    return [
        replace(_found(called.get(video, video), folder, paths, names), id=video) for video in ids
    ]


def _found(
    name: str, folder: Path, paths: dict[str, list[Path]], names: dict[str, list[Path]]
) -> Found:
    video, last = spelling(video_id(name)), spelling(PurePosixPath(name).name)
    variants = [video, f"v_{video}", video.removeprefix("v_")]
    candidates = [p for known in (paths, names) for v in variants for p in known.get(v, [])]
    unique = list(dict.fromkeys(candidates))
    unique.sort(key=lambda path: spelling(path.name) != last)
    if len(unique) > 1:
        others = ", ".join(str(path.relative_to(folder)) for path in unique[1:4])
        return Found(video, unique[0], f"{len(unique)} files carry this id, not used: {others}")
    if unique:
        return Found(video, unique[0])
    if not folder.is_dir():
        return Found(video, None, f"the video folder {folder} does not exist")
    bare = video.replace("\\", "/").rsplit("/", 1)[-1].lower()
    near = get_close_matches(bare, {known.lower() for known in names}, n=3, cutoff=0.8)
    similar = [str(names[n][0].relative_to(folder)) for n in names if n.lower() in near][:3]
    hint = f"; similar: {', '.join(similar)}" if similar else ""
    return Found(video, None, f"no video file of this name below {folder}{hint}")
