"""A paper's table as its YAML states it: which runs stand behind its rows and in its figures."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NamedTuple

from annotated_types import Ge, MinLen

from wstal.base.errors import WstalError

_FIGURE = re.compile(r"[a-z][a-z0-9]*_figure[0-9]+\Z")


@dataclass(frozen=True)
class RowSettings:
    """A row of the paper's table and the run that stands behind it."""

    variant: str  # the row's name in the paper's CSV
    dataset: str
    run: str
    reading: Literal["strict", "paper"] | None = None  # null: both
    note: str | None = None


@dataclass(frozen=True)
class FigureSettings:
    """A figure that shows some of the table's rows."""

    dataset: str | None = None  # null: the first row's
    rows: Annotated[tuple[str, ...], MinLen(1)] | None = None  # variants; null: all on the dataset
    # The attention, or the probability of the annotated classes.
    shows: Literal["attention", "class"] | None = None
    skip: Annotated[int, Ge(0)] | None = None  # videos passed over in the order of choice


@dataclass(frozen=True)
class TableSettings:
    """A paper's table."""

    method: str
    table: Annotated[int, Ge(1)]
    title: str
    paper: str  # CSV of the paper's numbers in workflow/reference/paper_tables
    rows: Annotated[tuple[RowSettings, ...], MinLen(1)]
    figure: str | None = None  # the paper's figure that shows the attention of the same rows
    figures: Mapping[str, FigureSettings] = field(default_factory=dict)  # figures of some rows
    metrics: tuple[str, ...] = ()  # shown where the paper reports none for a row

    def __post_init__(self) -> None:
        for name in (*filter(None, [self.figure]), *self.figures):
            if not _FIGURE.match(str(name)):
                raise ValueError(f"{name!r} cannot name a figure; write for example acn_figure3")


def table_runs(table: Mapping[str, Any], dataset: str | None = None) -> list[tuple[str, str]]:
    """Return the (dataset, run) pairs behind a table, each once, in the order of its rows.

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
    """Return the figures that belong to a table: `figure` shows all rows, `figures` some.

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
