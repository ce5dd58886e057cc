"""The probe stage: every annotated video of a shard found, hashed and verified."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from wstal.atomic import write_json
from wstal.store import BROKEN, MISSING, safe_name
from wstal.video.find import Found, find_videos
from wstal.video.info import probe

COLUMNS = [
    *("id", "path", "sha256", "fps", "frames", "duration", "width", "height"),
    *("rotation", "audio", "status", "reason"),
]


def probe_videos(
    ids: Iterable[str],
    folder: str | Path,
    *,
    cache: str | Path,
    code: str,
    files: Mapping[str, str] | None = None,
    track: Callable[[Iterable], Iterable] = iter,
) -> Iterator[dict[str, Any]]:
    """Rows (COLUMNS) of the ids, sorted; bad and absent files are rows with a status and reason.

    `cache` is a folder of earlier rows: a file whose path, size and modification time are as
    before, probed by the same `code`, is not decoded again. `files` names the file of ids that
    are called otherwise.
    """
    for found in track(find_videos(folder, sorted(ids), files)):
        yield probe_found(found, cache, code)


def file_sha256(path: str | Path) -> str:
    """The sha256 of a file's bytes."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def probe_found(found: Found, cache: str | Path, code: str) -> dict[str, Any]:
    """The row (COLUMNS) of one video, whatever its state; see `probe_videos`.

    Raises OSError if `cache` cannot be written: that says nothing about the video.
    """
    row = dict.fromkeys(COLUMNS, "") | {"id": found.id}
    if found.path is None:
        return row | {"status": MISSING, "reason": found.note}
    path, record = found.path.resolve(), Path(cache) / f"{safe_name(found.id)}.json"
    try:
        stamp = _stamp(path, code)
        kept = _kept(record, stamp)
        made = kept or _probed(path)
    except OSError as error:  # a dangling link, or no permission
        row |= {"status": BROKEN, "reason": f"{path}: {error.strerror}"}
    else:
        row |= made
        if not kept:
            write_json(record, {"stamp": stamp, "row": made})
    texts = [text for text in (row["reason"], found.note) if text]
    return row | {"path": str(path), "reason": "; ".join(texts)}


def _stamp(path: Path, code: str) -> dict[str, Any]:
    stat = path.stat()
    return {"path": str(path), "size": stat.st_size, "mtime_ns": stat.st_mtime_ns, "code": code}


def _kept(record: Path, stamp: Mapping[str, Any]) -> dict[str, Any] | None:
    try:
        known = json.loads(record.read_text(encoding="utf-8")) if record.is_file() else {}
    except ValueError:
        known = {}
    return known["row"] if known.get("stamp") == stamp else None


def _probed(path: Path) -> dict[str, Any]:
    info = asdict(probe(path))
    return {"sha256": file_sha256(path), **info, "audio": str(info["audio"]).lower()}
