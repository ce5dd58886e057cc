"""Count the videos without features; end with their list if they are more than allowed.

Examples:
  python scripts/check_completeness.py --coverage results/demo/demo_i3d/coverage.csv \\
      --manifest results/demo/manifest.csv --max-missing 1 \\
      --output results/demo/demo_i3d/completeness.csv
"""

import argparse
from pathlib import Path

from wstal.commands.console import Add, Program, json_argument
from wstal.base.files import read_table, require_ids, write_csv
from wstal.features.pack import COLUMNS, COVERAGE, check_missing


def add_arguments(add: Add) -> None:
    add("--coverage", type=Path, required=True, help="coverage.csv")
    add("--manifest", type=Path, required=True, help="manifest.csv: every video")
    add("--max-missing", type=json_argument, default=None, help="or null")
    add("--output", type=Path, required=True, help="CSV with the counts")


def main(args: argparse.Namespace) -> None:
    rows = read_table(args.coverage, COVERAGE)
    manifest = read_table(args.manifest, ("id",))
    require_ids(args.coverage, {row["id"] for row in rows}, [row["id"] for row in manifest])
    counts = check_missing(rows, args.max_missing)
    write_csv(args.output, COLUMNS, [counts])
    if absent := counts["without_features"]:
        print(f"{absent} of {counts['videos']} videos have no features; why: {args.coverage}")


if __name__ == "__main__":
    Program(__doc__, add_arguments, main).run()
