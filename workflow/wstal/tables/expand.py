"""A table's YAML turned into the runs it needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def table_runs(table: Mapping[str, Any], dataset: str | None = None) -> list[tuple[str, str]]:
    """The (dataset, run) pairs behind a table, each once, in the order of its rows.

    With `dataset`, every row is taken on that dataset instead of the paper's.
    """
    return list(dict.fromkeys((dataset or row["dataset"], row["run"]) for row in table["rows"]))
