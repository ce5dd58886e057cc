"""The probe stage: every annotated video of a shard found, hashed and verified."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from wstal.base.array_store import BROKEN, MISSING, NO_AUDIO, OK, PARTIAL, safe_name
from wstal.base.errors import MediaError
from wstal.base.files import write_json
from wstal.media.decoders.pyav import scan
from wstal.media.find import Found, find_videos
from wstal.media.timeline import lay_grid

# FOLDED What a manifest says about a video file, verified by decoding all of it.

MILLISECONDS = 3  # decimals of the durations that are written


@dataclass(frozen=True)
class VideoInfo:
    """Measured, not announced: `fps` and `frames` of what decodes, `duration` in seconds (last
    time plus one frame step), size after `rotation` (degrees counter-clockwise), `audio` whether
    there is a sound track; `status` ok, no_audio, partial or broken, with the `reason`.
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
    """Decode all of `path`. Never raises for a bad file: it is `broken`, with the reason."""
    try:
        scanned = scan(path)
        line = lay_grid(scanned, fps=1.0)
    except MediaError as error:
        return VideoInfo(status=BROKEN, reason=str(error))
    silent = [] if scanned.audio else ["no sound track"]
    return VideoInfo(
        fps=round(line.fps, MILLISECONDS),
        frames=line.frames,
        duration=round(line.duration, MILLISECONDS),
        width=line.width,
        height=line.height,
        rotation=line.rotation,
        audio=scanned.audio,
        status=PARTIAL if line.status == PARTIAL else NO_AUDIO if silent else OK,
        reason="; ".join(([line.reason] if line.reason else []) + silent),
    )


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


# FOLDED What decoding knows of a probed video: apart from how videos are listed, named and found.
# FOLDED
# FOLDED The digest of the decoding stages covers what they import, and with it every feature's key: an
# FOLDED edit to the reading of labels or the search for files must not be among that.


@dataclass(frozen=True)
class ProbedVideo:
    """One row of the probe: what later stages need to know."""

    id: str
    path: Path
    sha256: str
    status: str
    reason: str

    @property
    def usable(self) -> bool:
        """Whether there is anything to decode."""
        return self.status not in (MISSING, BROKEN)


def read_probe(path: str | Path) -> list[ProbedVideo]:
    """The videos of a probe CSV."""
    with Path(path).open(newline="", encoding="utf-8") as file:
        return [
            ProbedVideo(row["id"], Path(row["path"]), row["sha256"], row["status"], row["reason"])
            for row in csv.DictReader(file)
        ]
