"""Make simulated two-stream features for the videos of an annotation database.

Examples:
  python scripts/simulate_features.py --dataset thumos14_sim --config @simulate.json \\
      --recipe sim128 --recipe-json @sim128.json \\
      --annotations results/thumos14_sim/annotations.json --output features.h5 \\
      --coverage coverage.csv --missing missing.csv
"""

import sys
from pathlib import Path

from cli import json_argument, parser, track
from wstal.base.errors import WstalError
from wstal.base.files import write_csv
from wstal.datasets.annotations import read_annotations
from wstal.demo.simulate import simulate_features
from wstal.features.pack import COVERAGE


def main() -> None:
    """Parse, simulate, write the coverage."""
    arguments = parser(__doc__)
    add = arguments.add_argument
    add("--dataset", required=True, help="the dataset's slug")
    add("--config", type=json_argument, required=True, help="`simulate` of the dataset YAML")
    add("--recipe", required=True, help="the recipe's name")
    add("--recipe-json", type=json_argument, required=True, help="the recipe's YAML as JSON")
    add("--annotations", type=Path, required=True, help="annotations.json")
    add("--output", type=Path, required=True, help="output: features.h5")
    add("--coverage", type=Path, required=True, help="output: every video and its rows")
    add("--missing", type=Path, required=True, help="output: videos without features (none)")
    args = arguments.parse_args()
    try:
        coverage = simulate_features(
            args.output, read_annotations(args.annotations), args.config, args.recipe_json,
            dataset=args.dataset, recipe_name=args.recipe, track=track("simulate"),
        )  # fmt: skip
    except WstalError as error:
        sys.exit(str(error))
    write_csv(args.missing, COVERAGE, [])
    write_csv(args.coverage, COVERAGE, coverage)
    rows = sum(row["rows"] for row in coverage)
    print(f"simulated data: {len(coverage)} videos, {rows} snippets", file=sys.stderr)


if __name__ == "__main__":
    main()
