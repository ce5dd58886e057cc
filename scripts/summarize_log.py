"""What training logged over its last tenth, mean over seeds: losses, attention, active shares.

Examples:
  python scripts/summarize_log.py --logs seed0/log.csv seed1/log.csv --output co2net_log.csv
"""

import argparse
from pathlib import Path

from wstal.commands.console import Add, Program
from wstal.base.files import read_frame, write_csv
from wstal.evaluate.summary import LOG_COLUMNS as COLUMNS
from wstal.evaluate.summary import log_summary


def add_arguments(add: Add) -> None:
    add("--logs", type=Path, nargs="+", required=True, help="log.csv of each seed")
    add("--output", type=Path, required=True, help="output: value, mean, sd, n")


def main(args: argparse.Namespace) -> None:
    table = log_summary({str(path): read_frame(path) for path in args.logs})
    write_csv(args.output, COLUMNS, table.to_dict("records"))


if __name__ == "__main__":
    Program(__doc__, add_arguments, main).run()
