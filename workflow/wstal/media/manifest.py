"""The manifest: one row per annotated video, whatever the state of its file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from wstal.base.files import read_table, require_ids
from wstal.datasets.annotations import Annotations
from wstal.media.find import shard_of

COLUMNS = [
    *("id", "path", "sha256", "split", "fps", "frames", "duration", "width", "height"),
    *("rotation", "audio", "status", "reason"),
]
PROBED = [name for name in COLUMNS if name != "split"]  # the columns of a shard


def merge_manifest(annotations: Annotations, shards: Iterable[Path]) -> list[dict[str, str]]:
    """Return the rows of all shards with their split, in the annotations' order.

    `shards` are the files shard0.csv, shard1.csv, ..., in any order. Videos of which only features
    were published are left out. Raises WstalError for a damaged shard, and for a video without a
    row in its own: it is not missing, nobody looked for it.
    """
    by_name = {path.name: path for path in shards}
    tables = {n: {row["id"]: row for row in read_table(p, PROBED)} for n, p in by_name.items()}
    videos = {v: e for v, e in annotations.database.items() if not e.get("features_only")}
    expected: dict[str, list[str]] = {name: [] for name in by_name}
    for video, entry in videos.items():
        shard = shard_of(entry.get("file", video), len(by_name))
        expected[f"shard{shard}.csv"].append(video)
    for name, table in tables.items():
        require_ids(by_name[name], table, expected[name])
    probed = {video: row for table in tables.values() for video, row in table.items()}
    return [
        {name: probed[video].get(name, "") for name in COLUMNS}
        | {"split": entry["subset"], "duration": probed[video]["duration"] or "0"}
        for video, entry in videos.items()
    ]
