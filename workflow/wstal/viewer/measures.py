"""The numbers that stand over the page and beside its classes, from a seed's map.csv."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from wstal.evaluate.map_table import ALL
from wstal.evaluate.protocols import Protocol

Row = Mapping[str, Any]


def measures(rows: Iterable[Row], protocol: Protocol) -> dict[str, Any]:
    """Means and values per class of what the page shows: the last iterate under `protocol`.

    Returns `{"means": [{metric, value, coverage}], "of": metric, "classes": {name: value}}` in
    percent; of the classes the metric that a checkpoint is chosen by, or the accuracy of events.
    """
    own = [
        row | {"value": float(row["value"])}
        for row in rows
        if row["checkpoint"] == "last"
        and row["protocol"] == protocol.name
        and row["value"] not in ("", None)
    ]
    metric, name = "accuracy", "recall"
    if protocol.select:
        metric, name = f"mAP@{protocol.select}", f"AP@{protocol.select}"
    return {
        "means": _means(own),
        "of": name,
        "classes": {
            row["class"]: row["value"]
            for row in own
            if row["metric"] == metric and row["class"] != ALL
        },
    }


def _means(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The averages, what has no tIoU, and of single ones mAP@0.50."""
    return [
        {key: row[key] for key in ("metric", "value", "coverage")}
        for row in rows
        if row["class"] == ALL
        and (":" in row["metric"] or "@" not in row["metric"] or row["metric"] == "mAP@0.50")
    ]
