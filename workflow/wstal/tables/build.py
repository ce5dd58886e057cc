"""A paper's table: its numbers, ours and the difference, in one tidy frame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from wstal.errors import WstalError
from wstal.tables.metrics import metric_name

COLUMNS = [
    *("method", "table", "variant", "run", "dataset", "recipe", "metric", "paper"),
    *("ours_mean", "ours_sd", "n", "delta", "coverage", "reading", "protocol", "checkpoint"),
    *("group", "note"),
]
READINGS = ("strict", "paper")


def build_table(
    table: Mapping[str, Any],
    paper: pd.DataFrame,
    results: Mapping[tuple[str, str], pd.DataFrame],
    dataset: str | None = None,
) -> pd.DataFrame:
    """Join a table's rows with our results.

    `paper` has the columns variant, dataset, metric, value, group, note; `results` maps
    (dataset, run) to its `_map.csv`. Every row comes in both readings unless its YAML names
    one. With `dataset` (simulated, demo or own data) the paper's numbers and the differences
    stay empty: they are not comparable. Rows the paper quotes from others have no `ours`.
    """
    paper = paper.assign(metric=paper["metric"].map(metric_name))
    rows: list[dict[str, Any]] = []
    runs = {row["variant"]: row for row in table["rows"]}
    if unknown := [name for name in runs if name not in set(paper["variant"])]:
        raise WstalError(
            f"{table['method']} table {table['table']}: {unknown} are not rows of {table['paper']}"
        )
    for variant, reported in paper.groupby("variant", sort=False):
        if variant not in runs:
            if not dataset:
                rows += [_quoted(table, line) for line in reported.to_dict("records")]
            continue
        row = runs[variant]
        ours = results[dataset or row["dataset"], row["run"]]
        rows += _ours(table, row, reported, ours, dataset)
    return pd.DataFrame(rows, columns=COLUMNS)


def _quoted(table: Mapping[str, Any], line: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **{"method": table["method"], "table": table["table"], "variant": line["variant"]},
        **{"dataset": line["dataset"], "metric": line["metric"], "paper": line["value"]},
        **{"group": line["group"], "note": line["note"]},
    }


def _ours(
    table: Mapping[str, Any],
    row: Mapping[str, Any],
    reported: pd.DataFrame,
    ours: pd.DataFrame,
    dataset: str | None,
) -> list[dict[str, Any]]:
    out = []
    values = dict(zip(reported["metric"], reported["value"], strict=True))
    metrics = list(values) if not dataset else _available(values, table, ours)
    first = reported.iloc[0]
    for reading in [row["reading"]] if "reading" in row else READINGS:
        for metric in metrics:
            found = ours[(ours["reading"] == reading) & (ours["metric"] == metric)]
            line = found.iloc[0].to_dict() if len(found) else {}
            mean = line.get("mean")
            value = None if dataset else values[metric]
            notes = [row.get("note"), first["note"], line.get("note")]
            if not len(found):
                notes.append("not a metric of this dataset's protocol")
            out.append(
                {
                    **{"method": table["method"], "table": table["table"], "reading": reading},
                    **{"variant": row["variant"], "run": row["run"], "metric": metric},
                    **{"dataset": dataset or row["dataset"], "paper": value, "ours_mean": mean},
                    **{"ours_sd": line.get("sd"), "group": first["group"]},
                    **{key: line.get(key) for key in ("recipe", "n", "coverage", "protocol")},
                    "checkpoint": line.get("checkpoint"),
                    "delta": None if mean is None or value is None else round(mean - value, 2),
                    "note": "; ".join(dict.fromkeys(str(n) for n in notes if n and n == n)),
                }
            )
    return out


def _available(values: Mapping[str, float], table: Mapping[str, Any], ours: pd.DataFrame) -> list:
    """The paper's metrics that the other dataset's protocol has too, else what the table names."""
    scored = set(ours["metric"])
    wanted = [*values, *map(metric_name, table["metrics"])]
    return [metric for metric in dict.fromkeys(wanted) if metric in scored] or sorted(scored)


def as_markdown(frame: pd.DataFrame, title: str) -> str:
    """The table for reading: one line per variant and reading, `paper / ours ± sd` per metric."""
    metrics = list(dict.fromkeys(frame["metric"]))
    head = ["variant", "reading", *metrics, "n", "coverage", "protocol"]
    lines = [f"# {title}", "", " | ".join(head), " | ".join("---" for _ in head)]
    frame = frame.assign(reading=frame["reading"].fillna("quoted"))
    for (variant, reading), part in frame.groupby(["variant", "reading"], sort=False):
        cells = {line["metric"]: _cell(line) for line in part.to_dict("records")}
        first = part.iloc[0]
        tail = ["" if pd.isna(first[key]) else f"{first[key]}" for key in head[-3:]]
        label = "paper protocol" if reading == "paper" else reading
        lines.append(" | ".join([variant, label, *(cells.get(m, "") for m in metrics), *tail]))
    notes = [f"- {name}: {note}" for name, note in _notes(frame)]
    return "\n".join([*lines, "", "Each cell: paper / ours ± sd over seeds (percent).", *notes, ""])


def _cell(line: Mapping[str, Any]) -> str:
    paper = "" if pd.isna(line["paper"]) else f"{line['paper']:g}"
    if pd.isna(line["ours_mean"]):
        return paper
    ours = f"{line['ours_mean']:.1f} ± {line['ours_sd']:.1f}"
    return f"{paper} / {ours}" if paper else ours


def _notes(frame: pd.DataFrame) -> list[tuple[str, str]]:
    noted = frame[frame["note"].notna() & (frame["note"] != "")]
    return list(dict.fromkeys(zip(noted["variant"], noted["note"], strict=True)))
