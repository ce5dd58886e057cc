"""Tables of results: a paper's numbers beside ours, and the methods on one dataset.

`build_table` joins a paper's numbers with our results in one tidy frame, `as_markdown` is the table
for reading. `methods_frame` has the methods on one dataset side by side, the best first. At the end
stands what a table's YAML may say.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import pandas as pd
from annotated_types import Ge, MinLen

from wstal.base.errors import WstalError
from wstal.base.settings import SettingsError
from wstal.evaluate.protocols import READINGS

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


def build_table(
    table: Mapping[str, Any],
    paper: pd.DataFrame,
    results: Mapping[tuple[str, str], pd.DataFrame],
    dataset: str | None = None,
) -> pd.DataFrame:
    """Join a table's rows with our results: a frame with COLUMNS, values in percent.

    `paper` has the columns variant, dataset, metric, value, group, note; `results` maps
    (dataset, run) to its `_map.csv`. Every row comes in all its readings unless its YAML names one;
    best_test and best_seed only where the run has them.
    With `dataset` (simulated, demo or own data) the paper's numbers and the differences stay
    empty, as they are not comparable. Rows that the paper quotes from others have no `ours`.
    A row of the table may have `features` and `paper_features` (recipe, networks): the note names
    them, and where their networks differ, or the paper prints no number, there is no difference.
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
    remarks = dict(zip(reported["metric"], reported["note"], strict=True))
    groups = dict(zip(reported["metric"], reported["group"], strict=True))
    metrics = list(values) if not dataset else _shared_metrics(values, table, ours)
    comparable, features = _features_note(row, elsewhere=bool(dataset))
    readings = [each for each in READINGS if each in {"strict", "paper", *ours["reading"]}]
    wanted = [row["reading"]] if "reading" in row else readings
    if dataset and "paper" not in set(ours["reading"]):  # own videos, which no paper scored
        wanted = ["strict"]
    for reading in wanted:
        for metric in metrics:
            found = ours[(ours["reading"] == reading) & (ours["metric"] == metric)]
            line = found.iloc[0].to_dict() if len(found) else {}
            mean = line.get("mean")
            value = None if dataset or pd.isna(values[metric]) else values[metric]
            said = [remarks[metric]] if metric in remarks else list(remarks.values())
            notes = [row.get("note"), *said, line.get("note"), features]
            known = comparable and mean is not None and value is not None
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
                    "delta": round(mean - value, 2) if known else None,
                    "coverage": line.get("coverage"),
                    "reading": reading,
                    "protocol": line.get("protocol"),
                    "checkpoint": line.get("checkpoint"),
                    "group": groups.get(metric, reported.iloc[0]["group"]),
                    "note": "; ".join(dict.fromkeys(str(n) for n in notes if n and not pd.isna(n))),
                }
            )
    return out


def _features_note(row: Mapping[str, Any], *, elsewhere: bool) -> tuple[bool, str]:
    """Whether ours and the paper's numbers rest on features of the same networks; and the note."""
    ours, theirs = row.get("features"), row.get("paper_features")
    if not ours:
        return True, ""
    if elsewhere or not theirs:
        return True, f"features: {ours['networks']} ({ours['recipe']})"
    if ours["networks"] == theirs["networks"]:
        recipes = f"ours {ours['recipe']}, the paper's as {theirs['recipe']}"
        return True, f"features: {ours['networks']}, {recipes}"
    return False, (
        f"features: ours {ours['networks']} ({ours['recipe']}), the paper's {theirs['networks']} "
        f"(as {theirs['recipe']}): not comparable, no difference is shown"
    )


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
        reading = reading_label(names[-1], part["checkpoint"])
        shown = [cells.get(metric, "") for metric in metrics]
        lines.append(" | ".join([*names[:-1], reading, *shown, *known]))
    legend = "Each cell, in percent: paper / ours ± sd over seeds (difference)."
    if (frame["reading"] == "quoted").any():
        legend += " Quoted rows rest on the features of their own papers."
    notes = [f"- {', '.join(names)}: {note}" for note, names in _notes(frame).items()]
    return "\n".join([*lines, "", legend, *notes, ""])


def _cell(line: Mapping[str, Any]) -> str:
    paper = "" if pd.isna(line["paper"]) else f"{line['paper']:g}"
    if pd.isna(line["ours_mean"]):
        return paper
    spread = "" if pd.isna(line["ours_sd"]) else f" ± {line['ours_sd']:.1f}"
    delta = "" if pd.isna(line["delta"]) else f" ({line['delta']:+.1f})"
    ours = f"{line['ours_mean']:.1f}{spread}{delta}"
    return f"{paper} / {ours}" if paper else ours


def _notes(frame: pd.DataFrame) -> dict[str, list[str]]:
    """Every note and the variants that it is about."""
    noted = frame[frame["note"].notna() & (frame["note"] != "")]
    variants: dict[str, dict[str, None]] = {}
    for variant, note in zip(noted["variant"], noted["note"], strict=True):
        variants.setdefault(note, {})[variant] = None
    return {note: list(names) for note, names in variants.items()}


def reading_label(reading: str, checkpoints: Iterable[str]) -> str:
    """Return the name of a reading in a table, which says if something was chosen on test."""
    chosen = reading == "best_seed" or "best_test" in set(checkpoints)
    return f"{reading} (chosen on test)" if chosen else reading


OF_A_RUN = ("constant_attention",)  # baselines that differ between runs under one name
# Methods are ordered by the first of these metrics that was measured.
ORDER = ("mAP@0.1:0.7", "mAP@0.5:0.95", "accuracy", "video_mAP")


def methods_frame(maps: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the rows of several `_map.csv` of one dataset, each once.

    The strict readings come first, from the best method down; then each method's other readings
    in the same order; last the baselines of the data. Baselines of a single run stay in its
    `_map.csv`, even if there is only one run, as nothing here would say whose they are.
    """
    runs = [frame["run"].iloc[0] for frame in maps]
    rows = pd.concat(maps, ignore_index=True)
    of_data = (rows["reading"] == "baseline") & ~rows["run"].isin(OF_A_RUN)
    baselines = rows[of_data].drop_duplicates(["run", "metric", "mean"])
    own = rows[rows["run"].isin(runs)]
    strict = own[(own["reading"] == "strict") & (own["metric"] == headline(own))]
    best = strict.sort_values("mean", ascending=False, kind="stable")["run"].tolist()
    ranks = {run: number for number, run in enumerate(dict.fromkeys([*best, *runs]))}
    order = own["reading"].map(READINGS.index), own["run"].map(ranks)
    own = own.assign(_reading=order[0], _run=order[1])
    own = own.sort_values(["_reading", "_run"], kind="stable").drop(columns=["_reading", "_run"])
    return pd.concat([own, baselines], ignore_index=True)


def headline(rows: pd.DataFrame) -> str:
    """Return the metric that methods are ordered by."""
    measured = list(dict.fromkeys(rows["metric"]))
    averages = [name for name in measured if ":" in name]
    return next((name for name in ORDER if name in measured), (averages or measured)[0])


def methods_markdown(frame: pd.DataFrame, title: str, left_out: Mapping[str, str]) -> str:
    """Return the table as Markdown: averages and single metrics, in percent, mean ± sd."""
    single = ("accuracy", "video_mAP", "mAP@0.50")
    metrics = [m for m in dict.fromkeys(frame["metric"]) if ":" in m or m in single]
    head = ["run", "reading", *metrics, "n", "coverage", "protocol"]
    lines = [f"# {title}", "", " | ".join(head), " | ".join("---" for _ in head)]
    for (run, reading, protocol), part in frame.groupby(
        ["run", "reading", "protocol"], sort=False, dropna=False
    ):
        cells = {row.metric: _mean_cell(row.mean, row.sd) for row in part.itertuples(index=False)}
        shown = [cells.get(metric, "") for metric in metrics]
        first = part.iloc[0]
        tail = [str(first["n"]), str(first["coverage"]), str(protocol)]
        lines.append(" | ".join([run, reading_label(reading, part["checkpoint"]), *shown, *tail]))
    notes = dict.fromkeys(note for note in frame["note"].dropna() if note)
    missing = [f"- {run} is left out: it {reason}." for run, reason in left_out.items() if reason]
    legend = "In percent, mean ± sd over seeds. Whether two runs differ: compare_{a}_vs_{b}.csv."
    return "\n".join([*lines, "", legend, *missing, *(f"- {note}" for note in notes), ""])


def _mean_cell(mean: float, sd: float) -> str:
    return f"{mean:.1f}" if pd.isna(sd) else f"{mean:.1f} ± {sd:.1f}"


_FIGURE = re.compile(r"[a-z][a-z0-9]*_figure[0-9]+\Z")
_SWEEP = re.compile(r"[a-z][a-z0-9]*_sweep_[a-z]+\Z")


@dataclass(frozen=True)
class RowSettings:
    """A row of the paper's table and the run that stands behind it."""

    variant: str  # the row's name in the paper's CSV
    dataset: str
    run: str
    reading: Literal[READINGS] | None = None  # null: all
    note: str | None = None


@dataclass(frozen=True)
class FigureSettings:
    """A figure that shows some of the table's rows."""

    dataset: str | None = None  # null: the first row's
    rows: Annotated[tuple[str, ...], MinLen(1)] | None = None  # variants; null: all on the dataset
    # The attention, the probability of the annotated classes, or their scores times the attention.
    shows: Literal["attention", "class", "attended"] | None = None
    classes: tuple[str, ...] | None = None  # a video of each, on the paper's dataset
    videos: Annotated[int, Ge(1)] | None = None  # how many
    skip: Annotated[int, Ge(0)] | None = None  # videos passed over in the order of choice
    segments: bool | None = None  # the predicted segments below each run's strip
    # Videos by their annotation alone, or those where the last run's segments lose most against
    # the first run's.
    chosen: Literal["annotation", "loss"] | None = None


@dataclass(frozen=True)
class PointSettings:
    """A run of a sweep, and its value of the setting that is swept."""

    value: float
    run: str


@dataclass(frozen=True)
class SweepSettings:
    """A plot of one metric over the values of a setting."""

    setting: str  # what is swept, in words
    metric: str
    points: Annotated[tuple[PointSettings, ...], MinLen(2)]


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
    # Plots of runs that differ in one setting, on the dataset of the first row.
    sweeps: Mapping[str, SweepSettings] = field(default_factory=dict)
    metrics: tuple[str, ...] = ()  # shown where the paper reports none for a row

    def __post_init__(self) -> None:
        for name in (*filter(None, [self.figure]), *self.figures):
            if not _FIGURE.match(str(name)):
                raise SettingsError(f"{name!r} cannot name a figure; write for example acn_figure3")
        for name in self.sweeps:
            if not _SWEEP.match(str(name)):
                raise SettingsError(
                    f"{name!r} cannot name a sweep; write for example acn_sweep_alpha"
                )
