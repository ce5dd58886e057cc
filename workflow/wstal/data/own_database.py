"""Own labels in ActivityNet's JSON format, which most tools for action detection read and write.

`{"database": {video: {"subset": ..., "annotations": [{"segment": [s, e], "label": name}]}}}`, one
file for labels and segments. A video may have `duration` and `labels` besides; an annotation
without `segment` is a label of its video alone.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from wstal.data.annotations import Annotations
from wstal.data.folder import BACKGROUND, named_files, read_folder_annotations, video_id
from wstal.errors import WstalError

SUBSETS = {
    **{"training": "train", "validation": "val", "testing": "test"},
    **{"train": "train", "val": "val", "test": "test"},
}
SUFFIX = ".json"


def read_own_labels(
    labels: str | Path, segments: str | Path | None = None
) -> tuple[Annotations, list[str]]:
    """Annotations of own videos from a JSON, or from one or two CSV files; notes for a report."""
    if Path(labels).suffix.lower() == SUFFIX:
        return read_own_database(labels)
    return read_folder_annotations(labels, segments), []


def own_files(labels: str | Path) -> dict[str, str]:
    """Id -> name in either form; empty while the file is absent or of another form."""
    if Path(labels).suffix.lower() != SUFFIX:
        return named_files(labels)
    try:
        return {video_id(name): name for name in _content(Path(labels))["database"]}
    except (WstalError, KeyError, TypeError):
        return {}


def read_own_database(path: str | Path) -> tuple[Annotations, list[str]]:
    """Read a JSON; also what was decided about its subsets, in sentences.

    Where no video trains, those for validation do; where none can be tested, they are. Raises
    WstalError naming the file, the video and the remedy for an unknown subset, a training video
    without a label, a video listed twice, and a segment that is empty, inverted or no times.
    """
    content = _content(Path(path))
    videos = content.get("database") if isinstance(content, Mapping) else None
    if not isinstance(videos, Mapping):
        raise WstalError(
            f'{path} is not in ActivityNet\'s format; expected {{"database": {{video: {{"subset": '
            '"training", "annotations": [{"segment": [1.2, 3.4], "label": "name"}]}}}'
        )
    database: dict[str, dict[str, Any]] = {}
    unlabelled = set()
    for name, entry in videos.items():
        video = video_id(name)
        if video in database:
            raise WstalError(f"{path}: {video!r} is listed twice (extensions do not count)")
        labels, database[video] = _entry(entry, f"{path}, video {name}")
        if not labels:
            unlabelled.add(video)
    notes = list(_settle_subsets(database))
    for video, entry in database.items():
        if entry["subset"] == "train" and video in unlabelled:
            raise WstalError(
                f"{path}, video {video}: it trains and has no label; annotate it, say "
                f'"labels": ["{BACKGROUND}"] if it shows none of the classes, or remove it'
            )
    for subset, deed in (("train", "train on"), ("test", "test")):
        if not any(entry["subset"] == subset for entry in database.values()):
            raise WstalError(
                f"{path}: no video is left to {deed}; mark some `training` and some `testing`"
            )
    classes = sorted({label for entry in database.values() for label in entry["labels"]})
    return Annotations(classes, database), notes


def _content(path: Path) -> Any:
    """What the file holds, in composed Unicode as `folder._table`."""
    try:
        return json.loads(unicodedata.normalize("NFC", path.read_text(encoding="utf-8-sig")))
    except (OSError, ValueError, RecursionError) as error:
        raise WstalError(f"{path} is not JSON ({error}); correct it, or write CSV") from error


def _entry(entry: Any, where: str) -> tuple[set[str], dict[str, Any]]:
    """All that a video is labelled with, background too, and its entry in the database."""
    try:
        subset, given = str(entry["subset"]).strip().lower(), entry.get("annotations") or []
        labels = {str(name).strip() for name in entry.get("labels") or ()}
        labels |= {str(item["label"]).strip() for item in given}
        segments = [
            {"segment": _times(item["segment"], where), "label": str(item["label"]).strip()}
            for item in given
            if item.get("segment") is not None
        ]
        duration = None if entry.get("duration") is None else float(entry["duration"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise WstalError(f"{where}: the entry cannot be read ({error!r})") from error
    if subset not in SUBSETS:
        raise WstalError(f"{where}: subset {subset!r} is not one of {', '.join(SUBSETS)}")
    if BACKGROUND in labels and (len(labels) > 1 or segments):
        raise WstalError(
            f"{where}: {BACKGROUND} stands for no class and cannot be joined with others, or have "
            "a segment; keep one or the other"
        )
    return labels, {
        "subset": SUBSETS[subset],
        "duration": duration,
        "labels": sorted(labels - {BACKGROUND}),
        "annotations": segments,
    }


def _times(segment: Any, where: str) -> list[float]:
    try:
        start, end = map(float, segment)
    except (TypeError, ValueError) as error:
        raise WstalError(f"{where}: {segment} are no two times in seconds") from error
    if not 0 <= start < end < float("inf"):
        raise WstalError(f"{where}: segment {segment} is empty, inverted or negative; correct it")
    return [start, end]


def _settle_subsets(database: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Give validation the part that nothing else plays, and say so."""
    of = {
        subset: [video for video, entry in database.items() if entry["subset"] == subset]
        for subset in ("train", "val", "test")
    }
    if of["val"] and not of["train"]:
        yield "There is no training video: validation trains."
        for video in of["val"]:
            database[video]["subset"] = "train"
    elif of["val"] and not any(database[video]["labels"] for video in of["test"]):
        count = len(of["test"])
        left = f"{count} test videos have no label and are left out ({', '.join(of['test'][:3])})"
        yield f"{left if count else 'There is no test video'}: validation is tested."
        for video in of["test"]:
            del database[video]
        for video in of["val"]:
            database[video]["subset"] = "test"
