"""The probe stage: every annotated video of a shard is found, hashed and decoded once.

`probe` decides whether a video is ok, has no audio, is partial or broken.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from wstal.base.array_store import BROKEN, MISSING, NO_AUDIO, OK, PARTIAL, safe_name
from wstal.base.errors import MediaError, printable
from wstal.base.files import stored_path, write_json
from wstal.base.memory import begin_video, memory_reason
from wstal.base.user_files import check_regular, file_sha256
from wstal.media.decoders.pyav import scan
from wstal.media.find import Found, find_videos
from wstal.media.timeline import lay_grid

MILLISECONDS = 3  # decimals of the durations that are written

COLUMNS = [
    *("id", "path", "sha256", "fps", "frames", "duration", "width", "height"),
    *("rotation", "audio", "status", "reason"),
]


@dataclass(frozen=True)
class VideoInfo:
    """What a manifest says about a video file: measured by decoding it, not read from its header.

    `fps` and `frames` are those that decode; `duration`, in seconds, is where the last picture
    ends; `width` and `height` are the size after `rotation` (degrees counter-clockwise); `audio`
    is whether there is a sound that decodes; `status` is ok, no_audio, partial or broken, with the
    `reason`.
    """

    fps: float = 0.0
    frames: int = 0
    duration: float = 0.0
    width: int = 0
    height: int = 0
    rotation: int = 0
    audio: bool = False
    status: str = OK
    reason: str = ""


def probe(path: str | Path) -> VideoInfo:
    """Decode all of `path`. A bad file never raises: its status is `broken`, with the reason."""
    try:
        scanned = scan(path)
        line = lay_grid(scanned, fps=1.0)
    except MediaError as error:
        return VideoInfo(status=BROKEN, reason=str(error))
    silent = [scanned.silence] if scanned.silence else []
    return VideoInfo(
        fps=round(line.fps, MILLISECONDS),
        frames=line.frames,
        duration=round(line.duration, MILLISECONDS),
        width=line.width,
        height=line.height,
        rotation=line.rotation,
        audio=not silent,
        status=PARTIAL if line.status == PARTIAL else NO_AUDIO if silent else OK,
        reason="; ".join(([line.reason] if line.reason else []) + silent),
    )


def probe_found(
    found: Found, cache: str | Path, code: str, root: Path | None = None
) -> dict[str, Any]:
    """Return the row (COLUMNS) of one video, whatever its state; see `probe_videos`.

    Raises OSError if `cache` cannot be written: that says nothing about the video.
    """
    row = dict.fromkeys(COLUMNS, "") | {"id": found.id}
    if found.path is None:
        return row | {"status": MISSING, "reason": found.note}
    # Not Path.resolve, which raises RuntimeError for a link to itself.
    path, record = Path(os.path.realpath(found.path)), Path(cache) / f"{safe_name(found.id)}.json"
    try:
        check_regular(path, MediaError)
        stamp = _stamp(path, code)
        if not (kept := _read_kept(record, stamp, path)):
            begin_video(found.id, "probe")
        measured = kept or _measure(path)
    except MemoryError:
        row |= {"status": BROKEN, "reason": memory_reason("probe")}
    except MediaError as error:  # no regular file, or an earlier worker died of it
        row |= {"status": BROKEN, "reason": str(error)}
    except OSError as error:  # a dangling link, or no permission
        row |= {"status": BROKEN, "reason": printable(f"{path}: {error.strerror}")}
    else:
        row |= measured
        if not kept:
            write_json(record, {"stamp": stamp, "row": measured})
    texts = [text for text in (row["reason"], found.note) if text]
    if root is not None and path.is_relative_to(root.resolve()):
        path = path.relative_to(root.resolve())
    return row | {"path": stored_path(path), "reason": "; ".join(texts)}


def _stamp(path: Path, code: str) -> dict[str, Any]:
    stat = path.stat()
    return {
        "path": stored_path(path),
        "size": stat.st_size,
        "mtime_ns": stat.st_mtime_ns,
        "code": code,
    }


def _read_kept(record: Path, stamp: Mapping[str, Any], path: Path) -> dict[str, Any] | None:
    """The row of an earlier probe of the same file, also if that was the file of a copy."""
    try:
        known = json.loads(record.read_text(encoding="utf-8")) if record.is_file() else {}
    except ValueError:
        known = {}
    old, row = known.get("stamp", {}), known.get("row")
    if old == stamp:
        return row
    # Not for a broken one: its reason names the path.
    alike = row and all(old.get(key) == stamp[key] for key in ("size", "code"))
    if not alike or row["status"] == BROKEN or row["sha256"] != file_sha256(path, MediaError):
        return None
    write_json(record, {"stamp": stamp, "row": row})
    return row


def _measure(path: Path) -> dict[str, Any]:
    info = asdict(probe(path))
    return {"sha256": file_sha256(path, MediaError), **info, "audio": str(info["audio"]).lower()}


def probe_videos(
    ids: Iterable[str],
    folder: str | Path,
    *,
    cache: str | Path,
    code: str,
    files: Mapping[str, str] | None = None,
    root: Path | None = None,
    track: Callable[[Iterable], Iterable] = iter,
) -> Iterator[dict[str, Any]]:
    """Yield the rows (COLUMNS) of the ids, sorted; bad and missing files have a status and reason.

    `cache` is a folder of earlier rows: a file whose content has not changed, probed by the same
    `code`, is not decoded again (with the same path, size and time it is not even read). The path
    of a video below `root` is relative to it, so that the folder can be copied as a whole. `files`
    gives the file name of ids that differ from it.
    """
    for found in track(find_videos(folder, sorted(ids), files)):
        yield probe_found(found, cache, code, root)
