"""JSON files that save work and may be lost: an absent or unwritable one is never an error.

A file's name or its content holds the key of what it was made from, so that it is never stale.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from wstal.base.files import write_text


def read_cached(path: Path | None) -> Any:
    """Return the JSON value in a file; None if there is none that can be read."""
    if path is not None:
        with suppress(OSError, ValueError):
            return json.loads(path.read_bytes())
    return None


def write_cached(path: Path | None, value: Any) -> None:
    """Write `value` atomically, if the folder is writable and JSON gives the same value back."""
    if path is None:
        return
    with suppress(OSError, TypeError, ValueError):
        text = json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
        if json.loads(text) == value:
            write_text(path, text)


def keep_newest(folder: Path, count: int) -> None:
    """Remove all but the newest `count` JSON files of a cache."""
    with suppress(OSError):
        files = sorted(folder.glob("[!.]*.json"), key=lambda path: path.stat().st_mtime)
        for path in files[: max(len(files) - count, 0)]:
            path.unlink(missing_ok=True)
