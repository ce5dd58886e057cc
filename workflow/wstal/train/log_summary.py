"""Means of what training logged near its end, over the seeds of a run."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from wstal.base.errors import WstalError

COLUMNS = ["value", "mean", "sd", "n", "iterations"]


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
        spans.add(f"{late['iteration'].min()}-{last}")
        seeds.append(late.drop(columns="iteration").mean())
    table = pd.DataFrame(seeds)
    rows = {"mean": table.mean(), "sd": table.std(), "n": table.count()}
    found = pd.DataFrame(rows).rename_axis("value").reset_index()
    return found.assign(iterations=" ".join(sorted(spans)))[COLUMNS]
