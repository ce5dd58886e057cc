"""The protocol ledger: the same proposals under every protocol and checkpoint, side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from wstal.evaluate.ground_truth import GroundTruth
from wstal.evaluate.map_table import ALL, Row, checkpoint_rows, detection_rows
from wstal.evaluate.protocols import Protocol, prepare

COLUMNS = [
    *("protocol", "checkpoint", "metric", "mean", "sd", "n", "difference", "gt"),
    *("coverage", "title", "note"),
]
Seed = tuple[pd.DataFrame, Mapping[int, pd.DataFrame]]  # proposals, and those by iteration


def ledger(
    truth: GroundTruth,
    protocols: Sequence[Protocol],
    seeds: Sequence[Seed],
    usable: set[str] | None,
    *,
    note: str = "",
    track: Callable = iter,
) -> pd.DataFrame:
    """Mean and sd over seeds (percent) for every protocol, checkpoint and metric.

    `difference` is to the first protocol's last iterate in the same metric: what the
    convention alone moves. Protocols of another task than detection are left out.
    """
    tables = []
    for protocol in track([p for p in protocols if p.task == "detection"]):
        for number, (predictions, history) in enumerate(seeds):
            rows: list[Row] = detection_rows(
                prepare(truth, predictions, protocol, usable), protocol, "last"
            )
            rows += checkpoint_rows(truth, protocol, history, usable)
            tables.append(pd.DataFrame(rows).assign(seed=number, title=protocol.title))
    if not tables:
        return pd.DataFrame(columns=COLUMNS)
    every = pd.concat(tables)
    every = every[(every["class"] == ALL) & (every["metric"] != "iteration")]
    every = every.assign(value=pd.to_numeric(every["value"]))
    grouped = every.groupby(["protocol", "checkpoint", "metric"], sort=False)
    table = grouped.agg(
        mean=("value", "mean"),
        sd=("value", "std"),
        n=("value", "size"),
        gt=("gt", "first"),
        coverage=("coverage", "first"),
        title=("title", "first"),
    ).reset_index()
    first = table[(table["protocol"] == table["protocol"][0]) & (table["checkpoint"] == "last")]
    reference = table["metric"].map(first.set_index("metric")["mean"])
    table = table.assign(difference=table["mean"] - reference, note=note)
    decimals = dict.fromkeys(("mean", "sd", "difference"), 6)
    return table[COLUMNS].round(decimals)
