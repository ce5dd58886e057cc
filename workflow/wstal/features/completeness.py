"""How many videos are without features, and whether a dataset allows that many."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from wstal.errors import WstalError

COLUMNS = ("videos", "without_features", "max_missing")


def check_missing(
    coverage: Iterable[Mapping[str, Any]], max_missing: int | None = None
) -> dict[str, Any]:
    """Count the rows of coverage.csv without features (COLUMNS).

    Raises WstalError, naming each video and its reason, if they are more than `max_missing`.
    """
    coverage = list(coverage)
    absent = [row for row in coverage if not int(row["rows"])]
    if max_missing is not None and len(absent) > max_missing:
        names = "; ".join(f"{row['id']} ({row['status']}: {row['reason']})" for row in absent)
        raise WstalError(
            f"{len(absent)} videos have no features, max_missing is {max_missing}: {names}. "
            "Supply them, remove them from the labels, or raise max_missing in the dataset YAML"
        )
    allowed = "any" if max_missing is None else max_missing
    return dict(zip(COLUMNS, (len(coverage), len(absent), allowed), strict=True))
