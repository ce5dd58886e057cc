"""Download a published checkpoint, or verify the one placed by hand.

By hand: `wstal weights fetch NAME`.

Examples:
  python scripts/fetch_weights.py vggish --folder results/weights
"""

import argparse
from pathlib import Path

from wstal.commands.console import WEIGHTS, Add, Program, byte_bar
from wstal.networks.weights import fetch, read_sources, verify


def add_arguments(add: Add) -> None:
    add("name", help="of the weights in sources.yaml")
    add("--folder", type=Path, required=True, help="results/weights")


def main(args: argparse.Namespace) -> None:
    weights = read_sources(WEIGHTS / "sources.yaml")[args.name]
    if weights.url:
        fetch(weights, args.folder / weights.file, byte_bar)
    else:
        verify(WEIGHTS / weights.file, weights)


if __name__ == "__main__":
    Program(__doc__, add_arguments, main).run()
