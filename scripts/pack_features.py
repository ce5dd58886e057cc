"""Put the feature streams of all videos on one time grid into features.h5.

Writes coverage.csv (every video and what became of it) and missing.csv (those left out) too.

Examples:
  python scripts/pack_features.py --dataset demo --manifest results/demo/manifest.csv \\
      --recipe-name demo_i3d --recipe @recipe.json --shards results/demo/demo_i3d/*/shard*.csv \\
      --features results/demo/demo_i3d/features.h5 --coverage coverage.csv --missing missing.csv
"""

import argparse
from pathlib import Path

from wstal.commands.console import Add, Program, json_argument, log
from wstal.base.files import read_table, write_csv
from wstal.base.job_environment import accepted_code
from wstal.config.stages import is_untrained, recipe_digest, recipe_grid
from wstal.features.pack import COVERAGE, check_ids, gather_streams, grid_attrs, pack
from wstal.media.manifest import COLUMNS


def add_arguments(add: Add) -> None:
    add("--dataset", required=True)
    add("--manifest", type=Path, required=True)
    add("--recipe-name", required=True)
    add("--recipe", type=json_argument, required=True)
    add("--shards", type=Path, nargs="+", required=True)
    add("--max-missing", type=json_argument, default=None, help="or null")
    add("--features", type=Path, required=True)
    add("--coverage", type=Path, required=True)
    add("--missing", type=Path, required=True)


def main(args: argparse.Namespace) -> None:
    recipe, grid = args.recipe, recipe_grid(args.recipe)
    attrs = grid_attrs(
        args.dataset,
        args.recipe_name,
        grid,
        recipe_digest(recipe),
        untrained=is_untrained(recipe),
        accepted=accepted_code(),
    )
    rows = read_table(args.manifest, COLUMNS)
    streams = gather_streams(recipe["streams"], args.shards)
    check_ids(args.manifest, rows, streams)
    coverage = pack(
        args.features,
        rows,
        streams,
        attrs=attrs,
        grid=grid,
        dtype=recipe["dtype"],
        max_missing=args.max_missing,
    )
    write_csv(args.missing, COVERAGE, [row for row in coverage if row["rows"] == 0])
    write_csv(args.coverage, COVERAGE, coverage)
    kept = sum(row["rows"] > 0 for row in coverage)
    log(f"{args.dataset}: {kept} of {len(coverage)} videos packed")


if __name__ == "__main__":
    Program(__doc__, add_arguments, main).run()
