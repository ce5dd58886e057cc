"""Print the headlines of _map.csv files, baselines below.

These are the averages over thresholds, of the run and of the baselines, in each reading.

Examples:
  wstal show-map results/demo/co2net_map.csv
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from wstal.commands.console import Add, Program
from wstal.base.errors import WstalError
from wstal.base.files import read_frame

COLUMNS = ["run", "reading", "metric", "mean", "sd", "n", "coverage", "protocol", "note"]


def add_arguments(add: Add) -> None:
    add("paths", type=Path, nargs="+")


def show(args: argparse.Namespace) -> None:
    print(headlines(args.paths))


def headlines(paths: Sequence[Path]) -> str:
    """Return the table of these _map.csv files as text."""
    table = pd.concat([read_frame(path) for path in paths]).drop_duplicates()
    if missing := set(COLUMNS) - set(table.columns):
        files, names = ", ".join(map(str, paths)), ", ".join(sorted(missing))
        raise WstalError(f"{files}: no columns {names}; expected {{run}}_map.csv files")
    averages = table[table["metric"].str.contains(":") | ~table["metric"].str.contains("@")]
    return averages[COLUMNS].to_string(
        index=False, float_format=lambda value: f"{value:.1f}", na_rep=""
    )


COMMAND = Program(__doc__, add_arguments, show)
