"""What the videos of one call are called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from wstal.data.folder import VIDEO_SUFFIXES
from wstal.errors import WstalError
from wstal.listing import videos_below


def video_ids(paths: Iterable[Path]) -> dict[str, Path]:
    """Files by id: the name without extension, or the path where two names are the same.

    A folder stands for the videos below it, by their extension; WstalError names one that has
    none. A file given twice counts once.
    """
    files = [file for path in paths for file in (_below(path) if path.is_dir() else [path])]
    unique = list({path.absolute(): path for path in files}.values())
    stems = Counter(path.stem for path in unique)
    return {path.stem if stems[path.stem] == 1 else path.as_posix(): path for path in unique}


def _below(folder: Path) -> list[Path]:
    if not (found := sorted(videos_below(folder))):
        raise WstalError(
            f"{folder}: no video is below this folder (extensions {', '.join(VIDEO_SUFFIXES)}); "
            "name the files themselves, of whatever extension"
        )
    return found
