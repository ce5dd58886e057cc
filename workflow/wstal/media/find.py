"""Which video files lie below a folder, and which of them belongs to a video id."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path, PurePosixPath

from wstal.base.contents import sample
from wstal.base.errors import printable
from wstal.datasets.folder import VIDEO_SUFFIXES, video_id


def videos_below(folder: str | Path) -> Iterator[Path]:
    """Yield the files of `files_below` with a video's extension."""
    return (path for path in files_below(folder) if path.suffix.lower() in VIDEO_SUFFIXES)


def files_below(folder: str | Path) -> Iterator[Path]:
    """Yield the files in a folder and all folders below, also linked ones.

    Hidden files are left out: on foreign disks macOS writes `._clip.mp4` beside `clip.mp4`.
    """
    seen: set[str] = set()
    for root, folders, names in os.walk(folder, followlinks=True):
        if (real := os.path.realpath(root)) in seen:
            folders.clear()  # a link that leads back
            continue
        seen.add(real)
        folders.sort()
        yield from (Path(root, name) for name in names if not name.startswith("."))


def spelling(name: str) -> str:
    """Return a file's name as label files spell it.

    macOS separates letters and accents; a name that is not UTF-8 is read as Windows-1252, and as
    Latin-1 where that has no such letter.
    """
    try:
        name.encode()
    except UnicodeEncodeError:
        code = os.fsencode(name)
        try:
            name = code.decode("cp1252")
        except UnicodeDecodeError:
            name = code.decode("latin-1")
    return unicodedata.normalize("NFC", name)


@dataclass(frozen=True)
class Found:
    """A video id, its file (None if there is none) and what a user should know about the choice."""

    id: str
    path: Path | None
    note: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "note", printable(self.note))


def find_videos(
    folder: str | Path, ids: Iterable[str], files: Mapping[str, str] | None = None
) -> list[Found]:
    """Find the file of each id below `folder`, by name.

    The id may be a file's path below the folder or its bare name, without any of VIDEO_SUFFIXES;
    either side may have a leading `v_` that the other does not have. A file with another extension
    is taken if its name is given in full, and mentioned in the note if it is not. Of several files
    the first one in that order, then in the order of their paths, is used, and the note names the
    others. For an id without a file the note gives similar names. `files` gives the file name of
    ids that differ from it; of several files the one with exactly that name, extension included,
    is used.
    """
    folder, called = Path(folder), {video: (files or {}).get(video, video) for video in ids}
    wanted = {spelling(PurePosixPath(name).name) for name in called.values()}
    stems = {spelling(PurePosixPath(video_id(name)).name) for name in called.values()}
    paths: dict[str, list[Path]] = {}
    names: dict[str, list[Path]] = {}
    ignored: dict[str, Path] = {}
    for path in sorted(files_below(folder)):
        name, relative = spelling(path.name), path.relative_to(folder)
        if path.suffix.lower() in VIDEO_SUFFIXES:
            paths.setdefault(spelling(relative.with_suffix("").as_posix()), []).append(path)
            names.setdefault(spelling(path.stem), []).append(path)
        elif name in wanted:
            paths.setdefault(spelling(relative.as_posix()), []).append(path)
            names.setdefault(name, []).append(path)
        elif spelling(path.stem) in stems:
            ignored.setdefault(spelling(path.stem), relative)
    return [
        replace(_find_video(name, folder, paths, names, ignored), id=video)
        for video, name in called.items()
    ]


def _find_video(
    name: str,
    folder: Path,
    paths: dict[str, list[Path]],
    names: dict[str, list[Path]],
    ignored: Mapping[str, Path],
) -> Found:
    video, last = spelling(video_id(name)), spelling(PurePosixPath(name).name)
    variants = [video, f"v_{video}", video.removeprefix("v_")]
    candidates = [p for known in (paths, names) for v in variants for p in known.get(v, [])]
    unique = list(dict.fromkeys(candidates))
    unique.sort(key=lambda path: spelling(path.name) != last)
    if len(unique) > 1:
        others = ", ".join(str(path.relative_to(folder)) for path in unique[1:4])
        return Found(video, unique[0], f"{len(unique)} files have this id, not used: {others}")
    if unique:
        return Found(video, unique[0])
    if not folder.is_dir():
        return Found(video, None, f"the video folder {folder} does not exist")
    with suppress(OSError):  # of a name that no file system takes
        if (folder / name).is_dir():
            return Found(video, None, f"{folder / name} is a folder, not a regular file")
    if other := ignored.get(PurePosixPath(video).name):
        hint = f"{other} is not taken for its extension; write the name with it in the labels"
        return Found(video, None, f"no video file of this name below {folder}; {hint}")
    bare = video.replace("\\", "/").rsplit("/", 1)[-1].lower()
    near = get_close_matches(bare, {known.lower() for known in names}, n=3, cutoff=0.8)
    similar = [str(names[n][0].relative_to(folder)) for n in names if n.lower() in near][:3]
    hint = f"; similar: {', '.join(similar)}" if similar else ""
    return Found(video, None, f"no video file of this name below {folder}{hint}")


def shard_of(video_id: str, shards: int) -> int:
    """Return the shard of a video, 0 to `shards` - 1: fixed by its id alone.

    Adding or removing a video never moves another one.
    """
    return int(hashlib.sha1(video_id.encode(), usedforsecurity=False).hexdigest(), 16) % shards


def shard_listing(
    folder: str | Path,
    shards: int,
    named: Mapping[str, str] | None = None,
    content: Callable[[Path], str] = sample,
) -> list[str]:
    """Return a digest per shard of the relative path and the `content` of each video in it.

    Snakemake compares it with the digest of the last run: a video that is added, replaced or
    removed reruns its own shard and no other one. A file counts for the shard of each id that it
    can belong to: its name, or its path below the folder, without extension and with or without
    a leading `v_`. With `named` (the file name of each listed id) the names are part of the
    digest, files of these names count whatever their extension, and others do not. A missing
    folder has no files.
    """
    lines: list[set[str]] = [set() for _ in range(shards)]
    for video, name in (named or {}).items():
        lines[shard_of(video, shards)].add(name)
    for path in files_below(folder):
        relative = path.relative_to(folder)
        if path.suffix.lower() in VIDEO_SUFFIXES:
            stem, whole = spelling(path.stem), spelling(relative.with_suffix("").as_posix())
            ids = {stem, whole, stem.removeprefix("v_"), f"v_{stem}"}
        else:
            ids = {spelling(path.name), spelling(relative.as_posix())} & (named or {}).keys()
        if not ids or not path.is_file():
            continue
        try:
            line = f"{printable(relative.as_posix())}\0{content(path)}"
        except OSError as error:  # it is a row with this reason, and probed again once it is read
            line = f"{printable(relative.as_posix())}\0{error.strerror}"
        for video in ids if named is None else ids & named.keys():
            lines[shard_of(video, shards)].add(line)
    return [hashlib.sha256("\n".join(sorted(each)).encode()).hexdigest()[:16] for each in lines]
