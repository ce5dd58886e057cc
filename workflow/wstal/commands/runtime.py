"""Print time and peak memory per stage, as last measured.

Examples:
  wstal runtime --benchmarks results/benchmarks/demo
  wstal runtime --benchmarks results/benchmarks --output runtime.csv
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from wstal.commands.console import Add, Program
from wstal.base.errors import WstalError
from wstal.base.files import write_frame

COLUMNS = ["stage", "jobs", "wall_s", "longest_s", "cpu_s", "peak_memory_mb"]


def add_arguments(add: Add) -> None:
    add("--benchmarks", type=Path, required=True, help="folder of .tsv files")
    add("--output", type=Path, help="write CSV there as well")


def show(args: argparse.Namespace) -> None:
    table = stage_costs(args.benchmarks)
    if table.empty:
        raise WstalError(f"{args.benchmarks}: no .tsv files; a finished run leaves them there")
    if args.output:
        write_frame(args.output, table)
    print(table.to_string(index=False))


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


COMMAND = Program(__doc__, add_arguments, show)
