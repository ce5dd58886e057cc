"""From a paper's printed number to ours: the measured effect of every known cause, one row each.

Each effect is measured alone, from our strict reading: a protocol, a checkpoint, a run or features
that differ from it in one point. Effects that are measured alone do not add up, so the page does
not pretend that they do: what the paper's way gives in all points at once is a row, too
(`closest`), `together` is what it gives beyond the sum, and only what is left after that is
`unexplained`. Causes that nobody knows to be the paper's way are listed, but not in the sum.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import hypot, nan, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from wstal.base.errors import WstalError
from wstal.evaluate.events import class_columns
from wstal.evaluate.ground_truth import GroundTruth
from wstal.evaluate.protocols import Protocol, listed_videos
from wstal.evaluate.wtalc import wtalc_map
from wstal.localize.scores import read_scores
from wstal.tables.paper import dataset_slug, metric_name

# The fields of a protocol by the cause that they are. A protocol that differs from the dataset's
# own in the fields of one cause alone measures it.
CONVENTIONS = {
    "list of test videos": ("subsets", "list", "exclude", "unpredicted", "videos"),
    "filter of short videos": ("min_seconds",),
    "snippet rounding": ("units", "snippets_per_second"),
    "ambiguous segments": ("ambiguous",),
    "instances annotated twice": ("duplicates",),
    "videos without features": ("coverage_rule",),
    "order of equal scores": ("ties",),
}
WTALC = "AP of W-TALC"


@dataclass(frozen=True)
class Row:
    """A line of the page, in percent; a value that is not measured is NaN."""

    part: str  # paper, ours, gap, cause (the paper's way), closest, together, unexplained, other
    cause: str
    way: str = ""  # what is done instead
    value: float = nan
    sd: float = nan  # over the seeds
    n: int | None = None
    base: float = nan  # what `effect` is the difference to
    effect: float = nan
    error: float = nan  # of the effect: its standard error between trainings, or the spread
    source: str = ""  # the protocol and checkpoint, or the file
    target: str = ""  # what would measure it, where it is not measured


@dataclass(frozen=True)
class Conventions:
    """How our numbers and the paper's are obtained: names of protocols and rules."""

    own: str
    paper: str
    paper_checkpoint: str
    protocols: Mapping[str, Mapping[str, Any]]  # that suit the dataset, by name


def build_gap(
    ours: pd.DataFrame,
    ledger: pd.DataFrame,
    conventions: Conventions,
    others: Sequence[Mapping[str, Any]],
    results: Mapping[tuple[str, str], pd.DataFrame],
    printed: Mapping[str, float],
    wtalc: Sequence[float] | None = None,
    *,
    metric: str,
) -> pd.DataFrame:
    """Return the page's rows as a frame with the fields of `Row`.

    `ours` is the run's `_map.csv`, `ledger` its `_protocols.csv`. `others` are runs that differ in
    one point: cause, way, run, recipe, target, and whether it is the paper's way (`paper`);
    `results` has the `_map.csv` of those that are there by (run, recipe). `printed` has the paper's
    numbers by metric, none on another dataset. `wtalc` are the seeds' mAP by W-TALC's evaluator.
    Raises WstalError if there is no strict reading of the metric.
    """
    strict = _reading(ours, "strict", metric)
    if strict is None:
        raise WstalError(f"the run has no strict reading of {metric}; evaluate it again")
    base = float(strict["mean"])
    causes = [
        *_protocol_rows(ledger, conventions, strict),
        *_checkpoint_rows(ledger, conventions, strict),
        *(_other_run(each, results, strict) for each in others),
    ]
    closest = _reading(ours, "paper", metric)
    for each in others:
        found = results.get((each["run"], each["recipe"]))
        if each["paper"] and found is not None:
            closest = _reading(found, "paper", metric)
    counted = [row for row in causes if row.part == "cause"]
    known = sum(row.effect for row in counted if not np.isnan(row.effect))
    value = nan if closest is None else float(closest["mean"])
    paper = float(printed.get(metric, nan))
    rows = [
        Row("paper", "printed", value=paper),
        Row(
            "ours", "strict", **_of(strict), source=f"{strict['protocol']}, {strict['checkpoint']}"
        ),
        Row("gap", "printed - ours", effect=paper - base),
        *counted,
        Row("together", "beyond the sum", effect=value - base - known),
        Row("closest", "all of the above", **_of(closest), effect=value - base, base=base),
        Row("unexplained", "printed - closest", effect=paper - value, error=_error(closest)),
        *(row for row in causes if row.part != "cause"),
        *_best_seed(ours, metric),
        *_wtalc_row(wtalc, base),
        *_spread(strict),
    ]
    without = {"paper", "gap", "unexplained"} if np.isnan(paper) else set()
    without |= {"closest", "together", "unexplained"} if closest is None else set()  # own videos
    return pd.DataFrame([asdict(row) for row in rows if row.part not in without])


def choose_metric(protocol: Protocol, printed: Mapping[str, float]) -> str:
    """Return the metric of the page: the protocol's average, or what the paper prints of it."""
    average = f"mAP@{protocol.select}" if protocol.select else "accuracy"
    if average in printed or not printed:
        return average
    return "mAP@0.50" if "mAP@0.50" in printed else next(iter(printed))


def printed_numbers(paper: pd.DataFrame, variant: str, dataset: str) -> dict[str, float]:
    """Return what a row of a paper's table prints on a dataset, by metric."""
    rows = paper[(paper["variant"] == variant) & (paper["dataset"].map(dataset_slug) == dataset)]
    pairs = zip(rows["metric"].map(metric_name), rows["value"].astype(float), strict=True)
    return {metric: value for metric, value in pairs if not np.isnan(value)}


def _reading(frame: pd.DataFrame, reading: str, metric: str) -> Mapping[str, Any] | None:
    found = frame[(frame["reading"] == reading) & (frame["metric"] == metric)]
    return found.iloc[0] if len(found) else None


def _of(line: Mapping[str, Any] | None) -> dict[str, Any]:
    """Value, sd and n of a line of a result."""
    if line is None:
        return {}
    return {"value": float(line["mean"]), "sd": _sd(line), "n": int(line["n"])}


def _sd(line: Mapping[str, Any]) -> float:
    return nan if pd.isna(line["sd"]) else float(line["sd"])


def _error(line: Mapping[str, Any] | None) -> float:
    """The standard error of a mean over seeds; NaN for one seed."""
    return nan if line is None else _sd(line) / sqrt(line["n"])


def _effect(line: Mapping[str, Any], base: float) -> dict[str, Any]:
    return {**_of(line), "base": base, "effect": float(line["mean"]) - base}


def _ledger_line(
    ledger: pd.DataFrame, protocol: str, checkpoint: str, metric: str
) -> Mapping[str, Any] | None:
    same = (ledger["protocol"] == protocol) & (ledger["checkpoint"] == checkpoint)
    found = ledger[same & (ledger["metric"] == metric)]
    return found.iloc[0] if len(found) else None


def differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Return the causes in which two protocols differ."""
    return [
        cause
        for cause, keys in CONVENTIONS.items()
        if any(one.get(key) != other.get(key) for key in keys if key != "videos")
    ]


def _protocol_rows(
    ledger: pd.DataFrame, conventions: Conventions, strict: Mapping[str, Any]
) -> list[Row]:
    """A row for each protocol that differs from the dataset's own in one cause."""
    known, base = conventions.protocols, float(strict["mean"])
    own, paper = known[conventions.own], known[conventions.paper]
    wanted = dict.fromkeys(differing(own, paper))  # the causes that are the paper's way
    rows = []
    for name, protocol in known.items():
        causes = differing(own, protocol)
        if len(causes) != 1 or protocol.get("task") != own.get("task"):
            continue
        is_paper = causes[0] in wanted and causes[0] not in differing(protocol, paper)
        line = _ledger_line(ledger, name, strict["checkpoint"], strict["metric"])
        part, about = ("cause" if is_paper else "other"), (causes[0], protocol["title"])
        source = f"{name}, {strict['checkpoint']}"
        if line is not None:
            rows.append(Row(part, *about, **_effect(line, base), source=source))
        else:
            rows.append(Row(part, *about, target=f"the ledger has no {source} for these features"))
        if is_paper:
            wanted.pop(causes[0])
    alone = "no protocol differs in this alone; add one to workflow/config/protocols"
    return rows + [Row("cause", cause, paper["title"], target=alone) for cause in wanted]


def _checkpoint_rows(
    ledger: pd.DataFrame, conventions: Conventions, strict: Mapping[str, Any]
) -> list[Row]:
    """The effect of choosing the checkpoint on test, and of validation where strict has none."""
    ways = {
        "last": "the last checkpoint",
        "best_val": "the best checkpoint on validation",
        "best_test": "the best checkpoint on test",
    }
    rows = []
    for checkpoint, way in ways.items():
        line = _ledger_line(ledger, conventions.own, checkpoint, strict["metric"])
        if checkpoint == strict["checkpoint"] or line is None:
            continue
        part = "cause" if checkpoint == conventions.paper_checkpoint else "other"
        source = f"{conventions.own}, {checkpoint}"
        about = _effect(line, float(strict["mean"]))
        rows.append(Row(part, "choice of checkpoint", way, **about, source=source))
    return rows


def _other_run(
    other: Mapping[str, Any],
    results: Mapping[tuple[str, str], pd.DataFrame],
    strict: Mapping[str, Any],
) -> Row:
    about = "cause" if other["paper"] else "other", other["cause"], other["way"]
    found = results.get((other["run"], other["recipe"]))
    line = None if found is None else _reading(found, "strict", strict["metric"])
    if line is None:
        return Row(*about, target=other["target"])
    error = hypot(_error(strict), _error(line))
    effect = _effect(line, float(strict["mean"]))
    return Row(*about, **effect, error=error, source=other["target"])


def _best_seed(ours: pd.DataFrame, metric: str) -> list[Row]:
    """The best seed of the paper reading, against that reading's mean."""
    best, mean = _reading(ours, "best_seed", metric), _reading(ours, "paper", metric)
    if best is None or mean is None:
        return []
    about = _effect(best, float(mean["mean"])) | {"sd": nan}
    way = f"the best of {best['n']} seeds, chosen on test, from the mean of the paper reading"
    return [Row("other", "best seed", way, **about, source=f"{best['protocol']}, best_seed")]


def _spread(strict: Mapping[str, Any]) -> list[Row]:
    way = "one training instead of the mean"
    return [] if pd.isna(strict["sd"]) else [Row("other", "seeds' spread", way, error=_sd(strict))]


def _wtalc_row(values: Sequence[float] | None, base: float) -> list[Row]:
    if not values:
        return []
    sd = float(np.std(values, ddof=1)) if len(values) > 1 else nan
    line = {"mean": float(np.mean(values)), "sd": sd, "n": len(values)}
    way = "its own segments of attention times activation, in snippets, ambiguous ones filtered"
    return [Row("other", WTALC, way, **_effect(line, base), source="scores.h5")]


def wtalc_values(
    truth: GroundTruth, protocol: Protocol, paths: Sequence[str | Path], metric: str
) -> list[float]:
    """Return each seed's mAP by W-TALC's evaluator in percent, from its scores.h5.

    The videos are the protocol's. None for features that do not begin at 0 s: the evaluator counts
    snippets.
    """
    average = metric.removeprefix("mAP@")
    inside = protocol.average_indices(average) if ":" in average else []
    tious = [protocol.tious[i] for i in inside] or [float(average)]
    values = []
    for path in paths:
        scores = read_scores(path)
        if abs(scores.t0) > 1e-6:
            return []
        columns = class_columns(scores, path, truth.classes)
        videos = [video for video in listed_videos(truth, protocol) if video in scores.videos]
        found = {v: scores.videos[v] for v in videos}
        activations = {
            video: (each.cas * each.attention[:, None])[:, columns] for video, each in found.items()
        }
        result = wtalc_map(
            truth.segments(videos),
            activations,
            tious,
            truth.classes,
            snippets_per_second=1 / scores.step,
            ambiguous=truth.ambiguous,
        )
        values.append(100 * float(result["map"].mean()))
    return values


PARTS = {
    "cause": "What the paper or its code does, each alone",
    "other": "What is not known to be the paper's way, each alone",
}


def gap_markdown(frame: pd.DataFrame, title: str, metric: str, printed: str, note: str) -> str:
    """Return the page: the two numbers, the causes, what is left, and what is not measured.

    `printed` says where the paper's number is from; empty where there is none.
    """
    one = frame.set_index("part")
    lines = [f"# {title}", "", f"{metric} in percent{f'; {note}' if note else ''}.", ""]
    if printed:
        lines.append(f"- printed: {one.loc['paper', 'value']:.1f} ({printed})")
    else:
        lines.append("- printed: none, this is not a dataset of the paper; effects alone are shown")
    ours = one.loc["ours"]
    lines.append(f"- ours, strict: {_value(ours)} ({ours['source']})")
    if printed:
        lines.append(f"- to explain: {one.loc['gap', 'effect']:+.1f}")
    for part, head in PARTS.items():
        rows = frame[(frame["part"] == part) & (frame["target"] == "")]
        if not rows.empty:
            lines += ["", f"## {head}", "", "cause | instead | value | effect | from"]
            lines += ["--- | --- | --- | --- | ---", *map(_line, rows.to_dict("records"))]
        if part == "cause" and "closest" in one.index:
            closest = one.loc["closest"]
            lines += ["", f"- beyond the sum of these: {one.loc['together', 'effect']:+.1f}"]
            lines.append(f"- all of them at once: {_value(closest)} ({closest['effect']:+.1f})")
            if printed and "unexplained" in one.index:
                left = one.loc["unexplained"]
                lines.append(f"- **unexplained: {_signed(left)}**")
    missing = frame[frame["target"] != ""]
    if not missing.empty:
        lines += ["", "## Not measured", ""]
        lines += [
            f"- {row['cause']} ({row['way']}): {_make(row['target'])}"
            for row in missing.to_dict("records")
        ]
    return "\n".join([*lines, ""])


def _line(row: Mapping[str, Any]) -> str:
    effect = f"± {row['error']:.1f}" if np.isnan(row["effect"]) else _signed(row)
    value = "" if np.isnan(row["value"]) else _value(row)
    return " | ".join([row["cause"], row["way"], value, effect, row["source"]])


def _value(row: Mapping[str, Any]) -> str:
    spread = "" if np.isnan(row["sd"]) else f" ± {row['sd']:.1f}"
    return f"{row['value']:.1f}{spread}"


def _signed(row: Mapping[str, Any]) -> str:
    error = "" if np.isnan(row["error"]) else f" (standard error {row['error']:.1f})"
    return f"{row['effect']:+.1f}{error}"


def _make(target: str) -> str:
    return f"`snakemake --cores 8 {target}`" if target.startswith("results/") else target
