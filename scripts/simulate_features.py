"""Make simulated two-stream features for the videos of an annotation database.

Examples:
  python scripts/simulate_features.py --dataset thumos14_sim --config @simulate.json \\
      --recipe sim128 --recipe-json @sim128.json \\
      --annotations results/thumos14_sim/annotations.json --output features.h5 \\
      --coverage coverage.csv --missing missing.csv
"""

import argparse
from pathlib import Path

from wstal.commands.console import Add, Program, json_argument, log, track
from wstal.base.files import write_csv
from wstal.datasets.annotations import read_annotations
from wstal.demo.simulate import simulate_features
from wstal.features.pack import COVERAGE


def add_arguments(add: Add) -> None:
    add("--dataset", required=True, help="the dataset's slug")
    add("--config", type=json_argument, required=True, help="`simulate` of the dataset YAML")
    add("--recipe", required=True, help="the recipe's name")
    add("--recipe-json", type=json_argument, required=True, help="the recipe's YAML as JSON")
    add("--annotations", type=Path, required=True, help="annotations.json")
    add("--output", type=Path, required=True, help="output: features.h5")
    add("--coverage", type=Path, required=True, help="output: every video and its rows")
    add("--missing", type=Path, required=True, help="output: videos without features (none)")


def main(args: argparse.Namespace) -> None:
    coverage = simulate_features(
        args.output, read_annotations(args.annotations), args.config, args.recipe_json,
        dataset=args.dataset, recipe_name=args.recipe, track=track("simulate"),
    )  # fmt: skip
    write_csv(args.missing, COVERAGE, [])
    write_csv(args.coverage, COVERAGE, coverage)
    rows = sum(row["rows"] for row in coverage)
    log(f"simulated data: {len(coverage)} videos, {rows} snippets")


if __name__ == "__main__":
    Program(__doc__, add_arguments, main).run()
