"""Put the headlines of all methods on one dataset side by side, as CSV and as Markdown.

Examples:
  snakemake --cores 8 results/demo/methods.csv
  python scripts/list_methods.py --maps results/mine/*_map.csv --output methods.csv \\
      --markdown methods.md
"""

import argparse
from pathlib import Path

from wstal.commands.console import Add, Program, json_argument
from wstal.base.files import read_frame, write_frame, write_text
from wstal.tables.paper import methods_frame, methods_markdown

COLUMNS = ("run", "reading", "metric", "mean", "n")  # needed of each _map.csv


def add_arguments(add: Add) -> None:
    add("--maps", type=Path, nargs="+", required=True, help="_map.csv of each run")
    add("--title", default="Methods", help="of the Markdown table")
    add("--left-out", type=json_argument, default={}, help="JSON {run: why it is not there}")
    add("--output", type=Path, required=True, help="CSV, in the columns of _map.csv")
    add("--markdown", type=Path, required=True)


def main(args: argparse.Namespace) -> None:
    frame = methods_frame([read_frame(path, COLUMNS) for path in args.maps])
    write_frame(args.output, frame)
    write_text(args.markdown, methods_markdown(frame, args.title, args.left_out))


if __name__ == "__main__":
    Program(__doc__, add_arguments, main).run()
