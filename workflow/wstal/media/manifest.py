"""The manifest: one row per annotated video, whatever the state of its file."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from wstal.base.array_store import MISSING
from wstal.datasets.annotations import Annotations

COLUMNS = [
    *("id", "path", "sha256", "split", "fps", "frames", "duration", "width", "height"),
    *("rotation", "audio", "status", "reason"),
]


def read_rows(path: str | Path) -> list[dict[str, str]]:
    """Read the rows of a manifest or of one of its shards."""
    with Path(path).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def merge_manifest(annotations: Annotations, shards: Iterable[Path]) -> list[dict[str, str]]:
    """Return the rows of all shards with their split, in the annotations' order.

    A video without a row (its shard was probed before it was annotated) is `missing`, and the
    reason says what to do. Videos of which only features were published are left out.
    """
    probed = {row["id"]: row for shard in shards for row in read_rows(shard)}
    rows = []
    for video, entry in annotations.database.items():
        if entry.get("features_only"):
            continue
        absent = {"id": video, "status": MISSING, "reason": "not probed yet; run again"}
        row = dict.fromkeys(COLUMNS, "") | probed.get(video, absent)
        rows.append(row | {"split": entry["subset"], "duration": row["duration"] or "0"})
    return rows
