"""Put the feature streams of all videos on one time grid into features.h5.

Writes coverage.csv (every video and what became of it) and missing.csv (those left out) too.

Examples:
  python scripts/pack_features.py --dataset demo --manifest results/demo/manifest.csv \\
      --recipe-name demo_i3d --recipe @recipe.json --shards results/demo/demo_i3d/*/shard*.csv \\
      --features results/demo/demo_i3d/features.h5 --coverage coverage.csv --missing missing.csv
"""

import sys
from pathlib import Path

from cli import json_argument, parser
from wstal.base.code_digest import accepted_code
from wstal.base.errors import WstalError
from wstal.base.files import write_csv
from wstal.features.pack import COVERAGE, gather_streams, grid_attrs, pack
from wstal.media.manifest import read_rows


def main() -> None:
    """Parse, pack, write the coverage."""
    arguments = parser(__doc__)
    arguments.add_argument("--dataset", required=True)
    arguments.add_argument("--manifest", type=Path, required=True)
    arguments.add_argument("--recipe-name", required=True)
    arguments.add_argument("--recipe", type=json_argument, required=True)
    arguments.add_argument("--shards", type=Path, nargs="+", required=True)
    arguments.add_argument("--max-missing", type=json_argument, default=None, help="or null")
    arguments.add_argument("--features", type=Path, required=True)
    arguments.add_argument("--coverage", type=Path, required=True)
    arguments.add_argument("--missing", type=Path, required=True)
    args = arguments.parse_args()
    try:
        coverage = pack(
            args.features,
            read_rows(args.manifest),
            gather_streams(args.recipe["streams"], args.shards),
            attrs=grid_attrs(args.dataset, args.recipe_name, args.recipe, accepted_code()),
            dtype=args.recipe["dtype"],
            max_missing=args.max_missing,
        )
    except WstalError as error:
        sys.exit(f"{error}")
    write_csv(args.missing, COVERAGE, [row for row in coverage if row["rows"] == 0])
    write_csv(args.coverage, COVERAGE, coverage)
    kept = sum(row["rows"] > 0 for row in coverage)
    print(f"{args.dataset}: {kept} of {len(coverage)} videos packed", file=sys.stderr)


if __name__ == "__main__":
    main()
