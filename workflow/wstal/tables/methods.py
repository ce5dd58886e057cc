"""The methods on one dataset side by side: their results in one frame, the best first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

READINGS = {"strict": "strict", "paper": "paper protocol", "baseline": "baseline"}
OF_A_RUN = ("constant_attention",)  # baselines that differ between runs under one name
# Methods are ordered by the first of these metrics that was measured.
ORDER = ("mAP@0.1:0.7", "mAP@0.5:0.95", "accuracy", "video_mAP")


def methods_frame(maps: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the rows of several `_map.csv` of one dataset, each once.

    The strict readings come first, from the best method down; then each method's paper reading in
    the same order; last the baselines of the data. Baselines of a single run stay in its
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
    order = own["reading"].map(list(READINGS).index), own["run"].map(ranks)
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
        cells = {row.metric: _cell(row.mean, row.sd) for row in part.itertuples(index=False)}
        shown = [cells.get(metric, "") for metric in metrics]
        first = part.iloc[0]
        tail = [str(first["n"]), str(first["coverage"]), str(protocol)]
        lines.append(" | ".join([run, READINGS[reading], *shown, *tail]))
    notes = dict.fromkeys(note for note in frame["note"].dropna() if note)
    missing = [f"- {run} is left out: it {reason}." for run, reason in left_out.items() if reason]
    legend = "In percent, mean ± sd over seeds. Whether two runs differ: compare_{a}_vs_{b}.csv."
    return "\n".join([*lines, "", legend, *missing, *(f"- {note}" for note in notes), ""])


def _cell(mean: float, sd: float) -> str:
    return f"{mean:.1f}" if pd.isna(sd) else f"{mean:.1f} ± {sd:.1f}"
