"""What the seeds of a run say together: `_map.csv`, the ledger of protocols, the training log.

`summarize` gives mean, sd, n and coverage in every reading. `make_ledger` scores the same results
under every protocol and checkpoint, side by side. `log_summary` gives the means of what training
logged near its end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd

from wstal.base.errors import WstalError
from wstal.base.hdf5_files import open_hdf5
from wstal.evaluate.events import Events
from wstal.evaluate.ground_truth import GroundTruth
from wstal.evaluate.map_table import (
    ALL,
    CHOSEN_ON_TEST,
    checkpoint_rows,
    detection_rows,
    event_checkpoint_rows,
    event_rows,
)
from wstal.evaluate.protocols import READINGS, Checkpoint, Protocol, prepare

COLUMNS = [
    "dataset",
    "recipe",
    "run",
    "reading",
    "protocol",
    "checkpoint",
    "metric",
    "mean",
    "sd",
    "n",
    "coverage",
    "note",
]
CHECKPOINTS = get_args(Checkpoint)
NOTES = {
    "random_proposals": "random segments of random classes",
    "random_segments_true_classes": "random segments, given the video's true classes",
    "whole_video": "one proposal over the whole video for each of its true classes",
    "constant_attention": "the run's own localization with an attention of 1 everywhere",
    "majority_class": "the most frequent class everywhere",
    "true_class_throughout": "the video's true class in every second",
    "best_test": CHOSEN_ON_TEST,
}
# A mean hides a training that failed: a seed with less than half of the best seed's value, if that
# is 10 % or more. Smaller values differ by chance.
BEHIND, LEAST = 0.5, 10.0


def summarize(
    seeds: Sequence[pd.DataFrame],
    baselines: pd.DataFrame | None,
    *,
    dataset: str,
    recipe: str,
    run: str,
    protocol: Protocol,
    paper: Protocol | None = None,
    paper_checkpoint: Checkpoint = "last",
    note: str = "",
) -> pd.DataFrame:
    """Return the rows of `_map.csv` from one map.csv frame per seed and that of baselines.csv.

    Under `protocol`, the reading `strict` is the best checkpoint on validation if every seed has
    one, else the last iterate. The other readings are for comparison with a paper, and exist only
    if its protocol `paper` is given: `best_test` is the best on test, `paper` is `paper_checkpoint`
    under `paper` (not in the seeds: under `protocol`). `best_seed` is the seed of the paper reading
    whose `select` average is the greatest; one seed has none. Any other name in
    the checkpoint column is a baseline derived from the run, and becomes its name in the column
    run. Values are in percent, sd over seeds (n - 1), empty for one seed. Raises WstalError if the
    seeds scored different things.
    """
    tables = [
        table[(table["class"] == ALL) & (table["metric"] != "iteration")].assign(seed=number)
        for number, table in enumerate(seeds)
    ]
    scored = ["protocol", "checkpoint", "metric"]
    keys = [set(table[scored].itertuples(index=False, name=None)) for table in tables]
    if any(each != keys[0] for each in keys):
        odd = sorted(set.union(*keys) - set.intersection(*keys))
        raise WstalError(
            f"the seeds of {run} on {dataset} scored different things: {odd[:4]}; "
            "remove their map.csv and evaluate them again"
        )
    if not keys[0]:
        raise WstalError(
            f"the map.csv of {run} on {dataset} have no row of the class {ALL}: they are cut "
            "short; remove them and evaluate again"
        )
    every = pd.concat(tables, ignore_index=True)
    readings = select_readings(every, protocol, paper, paper_checkpoint)
    best = _best_seed(readings["paper"], protocol) if paper and len(seeds) > 1 else None
    if best is not None:
        readings["best_seed"] = readings["paper"].query("seed == @best")
    derived = every[~every["checkpoint"].isin(CHECKPOINTS)]
    both = pd.concat(
        [
            *(rows.assign(run=run, reading=name) for name, rows in readings.items()),
            derived.assign(run=derived["checkpoint"], reading="baseline"),
        ],
        ignore_index=True,
    )
    if baselines is not None and len(baselines):
        given = baselines.assign(run=baselines["baseline"], reading="baseline", checkpoint="")
        both = pd.concat([both, given], ignore_index=True)
    unsegmented = not both["metric"].str.startswith(("mAP@", "accuracy")).any()
    rows = []
    for key, part in both.groupby(
        ["run", "reading", "protocol", "checkpoint", "metric"], sort=False, dropna=False
    ):
        values = dict(zip(["run", "reading", "protocol", "checkpoint", "metric"], key, strict=True))
        baseline = values["run"] if values["reading"] == "baseline" else values["checkpoint"]
        if values["checkpoint"] not in CHECKPOINTS:
            values["checkpoint"] = ""
        value = part["value"].astype(float)
        behind = (
            "" if values["reading"] == "baseline" else _note_failed_seed(values["metric"], value)
        )
        notes = [note, "no segments" if unsegmented else "", NOTES.get(baseline, ""), behind]
        count = len(part)
        if values["reading"] == "best_seed":
            count = len(seeds)
            notes.append(f"the best of {count} seeds, chosen on test")
        rows.append(
            {
                "dataset": dataset,
                "recipe": recipe,
                **values,
                "mean": round(value.mean(), 6),
                "sd": round(value.std(ddof=1), 6) if len(part) > 1 else None,
                "n": count,
                "coverage": " | ".join(dict.fromkeys(part["coverage"])),
                "note": "; ".join(text for text in notes if text),
            }
        )
    order = [*READINGS, "baseline"]
    rows.sort(key=lambda row: order.index(row["reading"]))  # stable: metrics keep their order
    return pd.DataFrame(rows, columns=COLUMNS)


def select_readings(
    rows: pd.DataFrame, protocol: Protocol, paper: Protocol | None, paper_checkpoint: Checkpoint
) -> dict[str, pd.DataFrame]:
    """Return the rows of map.csv files that belong to strict, paper and best_test, if any."""
    own = rows[rows["protocol"] == protocol.name]
    strict = {"strict": _rows_of(own, "best_val")}
    if paper is None:
        return strict
    theirs = rows[rows["protocol"] == paper.name]
    return strict | {
        "paper": _rows_of(theirs if len(theirs) else own, paper_checkpoint),
        "best_test": _rows_of(own, "best_test"),
    }


def _rows_of(rows: pd.DataFrame, checkpoint: Checkpoint) -> pd.DataFrame:
    """The rows of a checkpoint; of best_val, for each metric that it does not have, of last."""
    chosen = rows["checkpoint"] == checkpoint
    if checkpoint == "best_val":
        scored = set(rows.loc[chosen, "metric"])
        chosen |= (rows["checkpoint"] == "last") & ~rows["metric"].isin(scored)
    return rows[chosen]


def _best_seed(rows: pd.DataFrame, protocol: Protocol) -> int | None:
    """The seed whose average is the greatest, the first of equals; None without any row."""
    if not len(rows):
        return None
    average = rows[rows["metric"] == (f"mAP@{protocol.select}" if protocol.select else "accuracy")]
    values = average if len(average) else rows[rows["metric"] == rows["metric"].iloc[0]]
    return int(values.loc[values["value"].astype(float).idxmax(), "seed"])


def _note_failed_seed(metric: str, values: pd.Series) -> str:
    """The note on an average metric that lists the seeds, in order, if one of them failed."""
    averaged = ":" in metric or not metric.startswith("mAP@")
    if not averaged or values.max() < LEAST or values.min() >= BEHIND * values.max():
        return ""
    return "a seed fell behind: " + ", ".join(f"{value:.1f}" for value in values)


def weights_note(features: str | Path) -> str:
    """Return `untrained weights` if the features were made with them, else empty text."""
    with open_hdf5(features) as file:
        return "untrained weights" if file.attrs.get("weights") == "untrained" else ""


LEDGER_COLUMNS = [
    "protocol",
    "checkpoint",
    "metric",
    "mean",
    "sd",
    "n",
    "worst",
    "best",
    "difference",
    "gt",
    "coverage",
    "title",
    "note",
]
SPAN = 0.05  # points between the worst and the best order of equal scores that the ledger shows
# The proposals of a seed and those by iteration, or its events and those by iteration.
Seed = tuple[pd.DataFrame, Mapping[int, pd.DataFrame]] | tuple[Events, Mapping[int, Events]]


def make_ledger(
    truth: GroundTruth,
    protocols: Sequence[Protocol],
    seeds: Sequence[Seed],
    usable: set[str] | None,
    *,
    note: str = "",
    track: Callable = iter,
) -> pd.DataFrame:
    """Return mean and sd over seeds (percent) for every protocol, checkpoint and metric.

    `difference` is to the first protocol's last iterate in the same metric: the effect of the
    convention alone. `worst` and `best` are the means over the orders in which equal scores may be
    ranked, where they are more than `SPAN` apart. Protocols of another task than the first are left
    out. Every row carries `note`; rows of best_test also say that the checkpoint was chosen on
    test.
    """
    tables = []
    for protocol in track([p for p in protocols if p.task == protocols[0].task]):
        for number, (found, history) in enumerate(seeds):
            if protocol.task == "events":
                rows = event_rows(truth, protocol, found)
                rows += event_checkpoint_rows(truth, protocol, history)
            else:
                prepared = prepare(truth, found, protocol, usable)
                rows = detection_rows(prepared, protocol, "last", spans=True)
                rows += checkpoint_rows(truth, protocol, history, usable, spans=True)
            tables.append(pd.DataFrame(rows).assign(seed=number, title=protocol.title))
    if not tables:
        return pd.DataFrame(columns=LEDGER_COLUMNS)
    every = pd.concat(tables)
    every = every[(every["class"] == ALL) & (every["metric"] != "iteration")]
    every = every.reindex(columns=[*every.columns, *{"worst", "best"} - {*every.columns}])
    every = every.assign(value=pd.to_numeric(every["value"]))
    grouped = every.groupby(["protocol", "checkpoint", "metric"], sort=False)
    table = grouped.agg(
        mean=("value", "mean"),
        sd=("value", "std"),
        n=("value", "size"),
        worst=("worst", "mean"),
        best=("best", "mean"),
        gt=("gt", "first"),
        coverage=("coverage", "first"),
        title=("title", "first"),
    ).reset_index()
    first = table[(table["protocol"] == table["protocol"][0]) & (table["checkpoint"] == "last")]
    reference = table["metric"].map(first.set_index("metric")["mean"])
    chosen = f"{note}; {CHOSEN_ON_TEST}" if note else CHOSEN_ON_TEST
    notes = np.where(table["checkpoint"] == "best_test", chosen, note)
    table = table.assign(difference=table["mean"] - reference, note=notes)
    matters = table["best"] - table["worst"] > SPAN
    table[["worst", "best"]] = table[["worst", "best"]].where(matters)
    decimals = dict.fromkeys(("mean", "sd", "worst", "best", "difference"), 6)
    return table[LEDGER_COLUMNS].round(decimals)


LOG_COLUMNS = ["value", "mean", "sd", "n", "iterations"]


def log_summary(logs: Mapping[str, pd.DataFrame], share: float = 0.1) -> pd.DataFrame:
    """Return the mean of every logged value over the last `share` of the updates, then over seeds.

    `logs` maps the path of each seed's log.csv to its content. Returns value, mean, sd (between
    seeds), n and the iterations averaged over. Raises WstalError for a log without rows.
    """
    seeds, spans = [], set()
    for path, log in logs.items():
        if log.empty:
            raise WstalError(f"{path} has no rows; train.log_interval is longer than the training")
        last = log["iteration"].max()
        late = log[log["iteration"] > last * (1 - share)]
        before = log["iteration"][log["iteration"] < late["iteration"].min()].max()
        spans.add(f"{1 if pd.isna(before) else before + 1}-{last}")
        seeds.append(late.drop(columns="iteration").mean())
    table = pd.DataFrame(seeds)
    rows = {"mean": table.mean(), "sd": table.std(), "n": table.count()}
    found = pd.DataFrame(rows).rename_axis("value").reset_index()
    return found.assign(iterations=" ".join(sorted(spans)))[LOG_COLUMNS]
