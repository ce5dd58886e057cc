"""A paper's table: its numbers, ours and the difference, in one tidy frame.

`build_table` joins the paper's numbers with our results; `as_markdown` is the table for reading.
What a table's YAML may say is in `wstal.tables.settings`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pandas as pd

from wstal.base.errors import WstalError

# The papers spell metrics in several ways; tables and result files are joined on one spelling.
AVERAGE = re.compile(r"(?:AVG\(|mAP@)([0-9.]+):(?:[0-9.]+:)?([0-9.]+)\)?\Z")
SINGLE = re.compile(r"mAP@([0-9.]+)\Z")


def metric_name(text: str) -> str:
    """Return our spelling of a metric; raise WstalError for an unknown one.

    `mAP@0.5` -> `mAP@0.50`; `AVG(0.5:0.05:0.95)` -> `mAP@0.5:0.95`; accuracies -> `accuracy`.
    """
    text = text.strip()
    if match := AVERAGE.match(text):
        return f"mAP@{float(match[1]):g}:{float(match[2]):g}"
    if match := SINGLE.match(text):
        return f"mAP@{float(match[1]):.2f}"
    if text == "AVG":  # the papers write this for ActivityNet only
        return "mAP@0.5:0.95"
    if text.startswith("MFLOPs") or text == "mmacs":
        return "mmacs"
    if text in ("accuracy", "video_mAP"):
        return text
    if text.startswith("accuracy("):
        return "accuracy" if "weakly" in text else text
    raise WstalError(f"metric {text!r} has an unknown spelling; add it to metric_name")


COLUMNS = [
    "method",
    "table",
    "variant",
    "run",
    "dataset",
    "recipe",
    "metric",
    "paper",
    "ours_mean",
    "ours_sd",
    "n",
    "delta",
    "coverage",
    "reading",
    "protocol",
    "checkpoint",
    "group",
    "note",
]
READINGS = ("strict", "paper")


def build_table(
    table: Mapping[str, Any],
    paper: pd.DataFrame,
    results: Mapping[tuple[str, str], pd.DataFrame],
    dataset: str | None = None,
) -> pd.DataFrame:
    """Join a table's rows with our results: a frame with COLUMNS, values in percent.

    `paper` has the columns variant, dataset, metric, value, group, note; `results` maps
    (dataset, run) to its `_map.csv`. Every row comes in both readings unless its YAML names one.
    With `dataset` (simulated, demo or own data) the paper's numbers and the differences stay
    empty, as they are not comparable. Rows that the paper quotes from others have no `ours`.
    Raises WstalError for a variant that is listed twice, or that the paper's table does not have.
    """
    paper = paper.assign(
        metric=paper["metric"].map(metric_name), slug=paper["dataset"].map(dataset_slug)
    )
    runs = {(row["variant"], row["dataset"]): row for row in table["rows"]}
    where = f"{table['method']} table {table['table']}"
    if len(runs) < len(table["rows"]):
        raise WstalError(f"{where}: a variant is listed twice for one dataset")
    reported = set(zip(paper["variant"], paper["slug"], strict=True))
    if unknown := [key for key in runs if key not in reported]:
        raise WstalError(f"{where}: {unknown} are not rows of {table['paper']}")
    rows: list[dict[str, Any]] = []
    for key, lines in paper.groupby(["variant", "slug"], sort=False):
        if key in runs:
            ours = results[dataset or key[1], runs[key]["run"]]
            rows += _own_rows(table, runs[key], lines, ours, dataset)
        elif not dataset:
            rows += [_quoted_row(table, line) for line in lines.to_dict("records")]
    frame = pd.DataFrame(rows, columns=COLUMNS).astype({"n": "Int64"})
    # Rows on two datasets of the paper are one row if all are taken on a third.
    return frame.drop_duplicates(["variant", "run", "dataset", "metric", "reading"]).reset_index(
        drop=True
    )


def dataset_slug(name: str) -> str:
    """Return our name of a paper's dataset: `ActivityNet1.2` -> `activitynet12`."""
    return re.sub(r"[^a-z0-9_]", "", name.lower())


def _quoted_row(table: Mapping[str, Any], line: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "method": table["method"],
        "table": table["table"],
        "variant": line["variant"],
        "dataset": line["dataset"],
        "metric": line["metric"],
        "paper": line["value"],
        "group": line["group"],
        "note": line["note"],
    }


def _own_rows(
    table: Mapping[str, Any],
    row: Mapping[str, Any],
    reported: pd.DataFrame,
    ours: pd.DataFrame,
    dataset: str | None,
) -> list[dict[str, Any]]:
    out = []
    values = dict(zip(reported["metric"], reported["value"], strict=True))
    metrics = list(values) if not dataset else _shared_metrics(values, table, ours)
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
                    "method": table["method"],
                    "table": table["table"],
                    "variant": row["variant"],
                    "run": row["run"],
                    "dataset": dataset or row["dataset"],
                    "recipe": line.get("recipe"),
                    "metric": metric,
                    "paper": value,
                    "ours_mean": mean,
                    "ours_sd": line.get("sd"),
                    "n": line.get("n"),
                    "delta": None if mean is None or value is None else round(mean - value, 2),
                    "coverage": line.get("coverage"),
                    "reading": reading,
                    "protocol": line.get("protocol"),
                    "checkpoint": line.get("checkpoint"),
                    "group": first["group"],
                    "note": "; ".join(dict.fromkeys(str(n) for n in notes if n and not pd.isna(n))),
                }
            )
    return out


def _shared_metrics(
    values: Mapping[str, float], table: Mapping[str, Any], ours: pd.DataFrame
) -> list:
    """The metrics of the paper or the table that the other dataset's protocol has, or else all."""
    scored = set(ours["metric"])
    wanted = [*values, *map(metric_name, table["metrics"])]
    return [metric for metric in dict.fromkeys(wanted) if metric in scored] or sorted(scored)


def as_markdown(frame: pd.DataFrame, title: str) -> str:
    """Return the table as Markdown: a line per variant and reading, `paper / ours ± sd (delta)`."""
    metrics = list(dict.fromkeys(frame["metric"]))
    tail = ["n", "coverage", "protocol"]
    head = ["variant", "dataset", "reading", *metrics, *tail]
    lines = [f"# {title}", "", " | ".join(head), " | ".join("---" for _ in head)]
    frame = frame.assign(reading=frame["reading"].fillna("quoted"))
    for names, part in frame.groupby(["variant", "dataset", "reading"], sort=False):
        cells = {line["metric"]: _cell(line) for line in part.to_dict("records")}
        known = [next(iter(part[key].dropna().astype(str)), "") for key in tail]
        reading = "paper protocol" if names[-1] == "paper" else names[-1]
        shown = [cells.get(metric, "") for metric in metrics]
        lines.append(" | ".join([*names[:-1], reading, *shown, *known]))
    legend = "Each cell, in percent: paper / ours ± sd over seeds (difference)."
    notes = [f"- {name}: {note}" for name, note in _notes(frame)]
    return "\n".join([*lines, "", legend, *notes, ""])


def _cell(line: Mapping[str, Any]) -> str:
    paper = "" if pd.isna(line["paper"]) else f"{line['paper']:g}"
    if pd.isna(line["ours_mean"]):
        return paper
    spread = "" if pd.isna(line["ours_sd"]) else f" ± {line['ours_sd']:.1f}"
    delta = "" if pd.isna(line["delta"]) else f" ({line['delta']:+.1f})"
    ours = f"{line['ours_mean']:.1f}{spread}{delta}"
    return f"{paper} / {ours}" if paper else ours


def _notes(frame: pd.DataFrame) -> list[tuple[str, str]]:
    noted = frame[frame["note"].notna() & (frame["note"] != "")]
    return list(dict.fromkeys(zip(noted["variant"], noted["note"], strict=True)))
