"""What the videos of one call are called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path


def video_ids(paths: Iterable[Path]) -> dict[str, Path]:
    """Files by id: the name without extension, or the path where two names are the same.

    A file given twice counts once.
    """
    unique = list({path.absolute(): path for path in paths}.values())
    stems = Counter(path.stem for path in unique)
    return {path.stem if stems[path.stem] == 1 else path.as_posix(): path for path in unique}
