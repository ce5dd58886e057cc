"""Print time and peak memory per stage, as last measured.

Jobs on GPUs add their peak of GPU memory, mean utilization and energy.

Examples:
  wstal runtime --benchmarks results/benchmarks/demo
  wstal runtime --benchmarks results/benchmarks --output runtime.csv
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from wstal.commands.console import Add, Program
from wstal.base import gpu_use
from wstal.base.errors import WstalError
from wstal.base.files import write_frame

COLUMNS = ["stage", "jobs", "wall_s", "longest_s", "cpu_s", "peak_memory_mb", *gpu_use.COLUMNS]


def add_arguments(add: Add) -> None:
    add("--benchmarks", type=Path, required=True, help="folder of .tsv files")
    add("--logs", type=Path, help="of the same jobs (default: logs in place of benchmarks)")
    add("--output", type=Path, help="write CSV there as well")


def show(args: argparse.Namespace) -> None:
    table = stage_costs(args.benchmarks)
    logs = args.logs or _logs_of(args.benchmarks)
    table = with_gpus(table, logs)
    if table.empty:
        raise WstalError(f"{args.benchmarks}: no .tsv files; a finished run leaves them there")
    if args.output:
        write_frame(args.output, table)
    print(table.dropna(axis="columns", how="all").to_string(index=False, na_rep=""))


def stage_costs(*folders: str | Path) -> pd.DataFrame:
    """Return one row per stage of the jobs in these folders, the most expensive first.

    The columns are those of COLUMNS before the GPU's. A stage is the folder of a shard's file,
    or a file's name up to its first dot; wall_s and cpu_s are sums over its jobs, peak_memory_mb
    the largest resident set.
    """
    jobs = []
    plain = COLUMNS[: -len(gpu_use.COLUMNS)]
    for path in sorted(path for folder in folders for path in Path(folder).rglob("*.tsv")):
        stage = _stage_of(path)
        jobs.append(pd.read_csv(path, sep="\t", na_values="-").assign(stage=stage))
    if not jobs:
        return pd.DataFrame(columns=plain)
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
    return table.sort_values("wall_s", ascending=False).reset_index()[plain].round(1)


def with_gpus(table: pd.DataFrame, logs: Path) -> pd.DataFrame:
    """Return the table with COLUMNS: memory is the largest of a stage, energy its sum."""
    rows = [{"stage": _stage_of(path)} | use for path, use in _uses(logs)]
    uses = pd.DataFrame(rows, columns=["stage", *gpu_use.COLUMNS]).groupby("stage")
    memory, percent, energy = gpu_use.COLUMNS
    taken = pd.DataFrame(
        {
            memory: uses[memory].max(),
            percent: uses[percent].mean(),
            energy: uses[energy].sum(min_count=1),
        }
    ).round(1)
    return table.merge(taken, how="left", left_on="stage", right_index=True)[COLUMNS]


def _uses(logs: Path) -> Iterator[tuple[Path, dict[str, float]]]:
    for path in sorted(logs.rglob("*.log")):
        if use := gpu_use.recorded_use(path):
            yield path, use


def _logs_of(benchmarks: Path) -> Path:
    parts = benchmarks.absolute().parts
    return Path(*("logs" if part == "benchmarks" else part for part in parts))


def _stage_of(path: Path) -> str:
    """Return the stage of a job's file: its folder's name for a shard, else its own."""
    return path.parent.name if path.name.startswith("shard") else path.name.split(".")[0]


COMMAND = Program(__doc__, add_arguments, show)
