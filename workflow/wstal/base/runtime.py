"""Time and memory of each stage, from the benchmark files that Snakemake writes."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

COLUMNS = ["stage", "jobs", "wall_s", "longest_s", "cpu_s", "peak_memory_mb"]


def stage_costs(*folders: str | Path) -> pd.DataFrame:
    """Return one row per stage of the jobs in these folders, the most expensive first.

    The columns are COLUMNS. A stage is the folder of a shard's file, or a file's name up to its
    first dot; wall_s and cpu_s are sums over its jobs, peak_memory_mb the largest resident set.
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
