"""ActivityNet-style databases as JSON, in the spellings that circulate.

`{"database": {id: {subset, duration, annotations: [{segment, label}]}}}` is the official layout.
Others keep times as text, write the subset in other words, put `v_` before the ids, or have one
flat mapping with `duration_second` whose subsets are in a `video_info_new.csv` beside it.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wstal.base.errors import WstalError
from wstal.datasets.annotations import PublishedSet, PublishedVideo, read_json, segment

FLAT_DURATION = "duration_second"
FLAT_SUBSETS = "video_info_new.csv"


def read_database(path: Path) -> PublishedSet | None:
    """The set in `path`, ids as written; None if the file is another kind of JSON.

    Raises WstalError naming the file and the video for an entry that cannot be read.
    """
    content = read_json(path)
    if not isinstance(content, Mapping):
        return None
    if isinstance(content.get("database"), Mapping):
        version = str(content.get("version") or "").strip()
        name = f"{path.name} ({version})" if version else path.name
        found = PublishedSet(name, [path])
        for video, entry in content["database"].items():
            found.videos[video] = _video(entry, entry.get("subset"), f"{path}, video {video}")
        return found
    first = next(iter(content.values()), None)
    if isinstance(first, Mapping) and FLAT_DURATION in first:
        return _flat(path, content)
    return None


def _flat(path: Path, content: Mapping[str, Any]) -> PublishedSet:
    beside = next(path.parent.glob(f"*{FLAT_SUBSETS}"), None)
    if beside is None:
        raise WstalError(
            f"{path} does not say which subset a video is in; put {FLAT_SUBSETS} from the same "
            "place beside it"
        )
    with beside.open(newline="", encoding="utf-8") as file:
        subsets = {row["video"]: row["subset"] for row in csv.DictReader(file)}
    found = PublishedSet(path.name, [path, beside])
    for video, entry in content.items():
        found.videos[video] = _video(entry, subsets.get(video), f"{path}, video {video}")
    return found


def _video(entry: Mapping[str, Any], subset: Any, where: str) -> PublishedVideo:
    if not isinstance(subset, str):
        raise WstalError(f"{where}: no subset is given")
    try:
        duration = entry.get("duration", entry.get(FLAT_DURATION))
        return PublishedVideo(
            subset=subset.strip().lower(),
            segments=[
                segment(*item["segment"], item["label"], where)
                for item in entry.get("annotations", [])
            ],
            duration=None if duration is None else float(duration),
            fps=entry.get("fps"),
            frames=entry.get("frames"),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise WstalError(f"{where}: the entry cannot be read ({error!r})") from error
