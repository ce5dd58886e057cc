"""Which file below a folder belongs to a video id."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path, PurePosixPath

from wstal.data.folder import video_id
from wstal.listing import spelling, videos_below


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
