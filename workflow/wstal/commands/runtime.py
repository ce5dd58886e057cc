"""Print time and peak memory per stage, as last measured.

Examples:
  wstal runtime --benchmarks results/benchmarks/demo
  wstal runtime --benchmarks results/benchmarks --output runtime.csv
"""

import argparse
from pathlib import Path

from wstal.base.errors import WstalError
from wstal.base.files import write_frame
from wstal.base.runtime import stage_costs
from wstal.commands.console import Add, Program


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


COMMAND = Program(__doc__, add_arguments, show)
