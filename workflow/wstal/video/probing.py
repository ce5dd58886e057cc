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
    """The row (COLUMNS) of one video, whatever its state; see `probe_videos`."""
    row = dict.fromkeys(COLUMNS, "") | {"id": found.id}
    if found.path is None:
        return row | {"status": MISSING, "reason": found.note}
    path = found.path.resolve()
    try:
        row |= _cached(path, Path(cache) / f"{safe_name(found.id)}.json", code)
    except OSError as error:  # a dangling link, or no permission
        row |= {"status": BROKEN, "reason": f"{path}: {error.strerror}"}
    texts = [text for text in (row["reason"], found.note) if text]
    return row | {"path": str(path), "reason": "; ".join(texts)}


def _cached(path: Path, record: Path, code: str) -> dict[str, Any]:
    stat = path.stat()
    stamp = {"path": str(path), "size": stat.st_size, "mtime_ns": stat.st_mtime_ns, "code": code}
    if record.is_file():
        try:
            known = json.loads(record.read_text(encoding="utf-8"))
        except ValueError:
            known = {}
        if known.get("stamp") == stamp:
            return known["row"]
    info = asdict(probe(path))
    row = {"sha256": file_sha256(path), **info, "audio": str(info["audio"]).lower()}
    write_json(record, {"stamp": stamp, "row": row})
    return row
