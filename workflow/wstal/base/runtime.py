"""Time and memory per stage, from Snakemake's benchmark files."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

COLUMNS = ["stage", "jobs", "wall_s", "longest_s", "cpu_s", "peak_memory_mb"]


def stage_costs(*folders: str | Path) -> pd.DataFrame:
    """One row per stage of the jobs in these folders, columns COLUMNS, the most expensive first.

    A stage is the folder a shard's file lies in, or the file's name up to its first dot;
    wall_s and cpu_s are sums over its jobs, peak_memory_mb the largest job's resident set.
    """
    jobs = []
    for path in sorted(path for folder in folders for path in Path(folder).rglob("*.tsv")):
        stage = path.parent.name if path.name.startswith("shard") else path.name.split(".")[0]
        jobs.append(pd.read_csv(path, sep="\t", na_values="-").assign(stage=stage))
    if not jobs:
        return pd.DataFrame(columns=COLUMNS)
    groups = pd.concat(jobs).groupby("stage")
    table = pd.DataFrame(
        {
            "jobs": groups.size(),
            "wall_s": groups["s"].sum(),
            "longest_s": groups["s"].max(),
            "cpu_s": groups["cpu_time"].sum(),
            "peak_memory_mb": groups["max_rss"].max(),
        }
    )
    return table.sort_values("wall_s", ascending=False).reset_index()[COLUMNS].round(1)
