"""A table's YAML turned into the runs and figures it needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from wstal.errors import WstalError


def table_runs(table: Mapping[str, Any], dataset: str | None = None) -> list[tuple[str, str]]:
    """The (dataset, run) pairs behind a table, each once, in the order of its rows.

    With `dataset`, every row is taken on that dataset instead of the paper's.
    """
    return list(dict.fromkeys((dataset or row["dataset"], row["run"]) for row in table["rows"]))


class Strips(NamedTuple):
    """A figure: which runs are shown, and what of them."""

    title: str
    dataset: str  # the paper's
    rows: list[Mapping[str, str]]  # of the table
    shows: str = "attention"  # or class: the annotated classes' probability
    skip: int = 0  # videos passed over in the order of choice


def table_figures(table: Mapping[str, Any]) -> dict[str, Strips]:
    """The figures that belong to a table, by name: `figure` shows all rows, `figures` some.

    Raises WstalError for a row that the table does not have.
    """
    wanted = {**({table["figure"]: {}} if "figure" in table else {}), **table.get("figures", {})}
    return {name: _strips(table, name, figure) for name, figure in wanted.items()}


def _strips(table: Mapping[str, Any], name: str, figure: Mapping[str, Any]) -> Strips:
    dataset = figure.get("dataset", table["rows"][0]["dataset"])
    rows = {row["variant"]: row for row in table["rows"] if row["dataset"] == dataset}
    chosen = figure.get("rows", list(rows))
    if unknown := [variant for variant in chosen if variant not in rows]:
        raise WstalError(f"{name}: {unknown} are not rows of its table on {dataset}")
    options = {key: figure[key] for key in ("shows", "skip") if key in figure}
    return Strips(table["title"], dataset, [rows[variant] for variant in chosen], **options)
