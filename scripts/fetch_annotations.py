"""Download a dataset's published label files, or say what to place where.

Examples:
  python scripts/fetch_annotations.py --dataset ave \\
      --facts workflow/reference/datasets/ave.yaml --output results/ave/published/fetched.csv
"""

import argparse
from pathlib import Path

import yaml
from wstal.commands.console import Add, Program, byte_bar
from wstal.base.errors import WstalError
from wstal.base.files import write_csv
from wstal.datasets.fetching import fetch_files, how_to_get


def add_arguments(add: Add) -> None:
    add("--dataset", required=True, help="the dataset's slug")
    add("--facts", type=Path, help="YAML with its addresses")
    add("--output", type=Path, required=True, help="fetched.csv")
    add("--attempts", type=int, default=3, help="for each file")


def main(args: argparse.Namespace) -> None:
    facts = yaml.safe_load(args.facts.read_text()) if args.facts else {}
    files, folder = facts.get("annotations", []), args.output.parent
    try:
        rows = fetch_files(files, folder, attempts=args.attempts, track=byte_bar)
    except WstalError as error:
        page = how_to_get(args.dataset)
        raise WstalError(f"{page}\n\nNothing was placed there, and the {error}") from error
    write_csv(args.output, ("file", "url", "bytes", "sha256"), rows)


if __name__ == "__main__":
    Program(__doc__, add_arguments, main).run()
