"""The protocol ledger: the same results under every protocol and checkpoint, side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from wstal.evaluate.event_table import Events, event_checkpoint_rows, event_rows
from wstal.evaluate.ground_truth import GroundTruth
from wstal.evaluate.map_table import ALL, CHOSEN_ON_TEST, checkpoint_rows, detection_rows
from wstal.evaluate.protocols import Protocol, prepare

COLUMNS = [
    *("protocol", "checkpoint", "metric", "mean", "sd", "n", "difference", "gt"),
    *("coverage", "title", "note"),
]
# Proposals and those by iteration, or with a protocol of events those by video.
Seed = tuple[pd.DataFrame, Mapping[int, pd.DataFrame]] | tuple[Events, Mapping[int, Events]]


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
    convention alone moves. Protocols of another task than the first are left out. `note` stands in
    every row, and after it that the checkpoint was chosen on test where it was.
    """
    tables = []
    for protocol in track([p for p in protocols if p.task == protocols[0].task]):
        for number, (found, history) in enumerate(seeds):
            if protocol.task == "events":
                rows = event_rows(truth, protocol, found)
                rows += event_checkpoint_rows(truth, protocol, history)
            else:
                rows = detection_rows(prepare(truth, found, protocol, usable), protocol, "last")
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
    chosen = f"{note}; {CHOSEN_ON_TEST}" if note else CHOSEN_ON_TEST
    notes = np.where(table["checkpoint"] == "best_test", chosen, note)
    table = table.assign(difference=table["mean"] - reference, note=notes)
    decimals = dict.fromkeys(("mean", "sd", "difference"), 6)
    return table[COLUMNS].round(decimals)
