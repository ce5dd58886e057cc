"""Copy a result to a second place, complete or not at all, and its provenance.

Examples:
  python scripts/copy_result.py results/demo/demo_i3d/co2net/co2net_map.csv \\
      results/demo/co2net_map.csv
"""

import argparse
from pathlib import Path

from wstal.commands.console import Add, Program
from wstal.base.files import copy_file
from wstal.base.provenance import sidecar


def add_arguments(add: Add) -> None:
    add("source", type=Path, help="the file to copy")
    add("output", type=Path, help="output: the same bytes")


def main(args: argparse.Namespace) -> None:
    copy_file(args.source, args.output)
    if sidecar(args.source).is_file():
        copy_file(sidecar(args.source), sidecar(args.output))


if __name__ == "__main__":
    Program(__doc__, add_arguments, main).run()
