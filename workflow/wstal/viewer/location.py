"""Where a page finds a video file."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

# What browsers play, with few exceptions; others are tried all the same.
PLAYED = (".mp4", ".m4v", ".webm", ".mov", ".ogv", ".ogg")


def video_url(path: str, page: str | Path, root: str | Path) -> str:
    """The address of a video file for the page file `page`; empty text for no path.

    A file below `root` (the project, moved or copied as a whole) is named relative to the page,
    any other by its absolute file URL. Links are left as they are.
    """
    if not path:
        return ""
    video, root = Path(os.path.abspath(path)), Path(os.path.abspath(root))  # noqa: PTH100
    if not video.is_relative_to(root):
        return video.as_uri()
    folder = Path(os.path.abspath(page)).parent  # noqa: PTH100
    return quote("./" + Path(os.path.relpath(video, folder)).as_posix())


def doubtful_format(path: str) -> str:
    """The suffix of a video file that browsers rarely play; empty text for the others."""
    suffix = Path(path).suffix.lower()
    return "" if suffix in PLAYED else suffix.removeprefix(".")
