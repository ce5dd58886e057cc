"""Extract the features of video files by a recipe.

The stages are those of the DAG; no labels are needed. FOLDER gets features.h5 (the videos of this
call on one time grid, with their provenance), coverage.csv (the status of each) and .npy arrays.
FOLDER/cache keeps the results of each stage: to add a video, name all of them again, and only the
new one is computed. Recipes are the files in workflow/config/features.

Examples:
  wstal extract clips/*.mp4 --recipe i3d_tvl1 --output features
  wstal extract my.mp4 --recipe i3d_tvl1 --streams rgb flow --npy joint
"""

import argparse

from wstal.apply.extraction import LAYOUTS, extract_folder, prepare, video_ids, write_arrays
from wstal.apply.run_folder import chosen_streams, video_recipe
from wstal.base.device import lease
from wstal.commands.console import ROOT, Add, Program, warn
from wstal.commands.new_videos import add_videos, read_catalog, stage_options, stopped
from wstal.features.pack import FeatureFile


def add_arguments(add: Add) -> None:
    add_videos(add, output="features")
    add("--recipe", default="i3d_tvl1", help="default: i3d_tvl1")
    add("--streams", nargs="+", help="of the recipe's (default: all)")
    add("--npy", choices=LAYOUTS, default="streams", help="a file per stream, or joint")


def extract(args: argparse.Namespace) -> int:
    """Extract, write, print; the exit status is 1 if a video has no features."""
    options = stage_options(args)
    recipe = video_recipe(read_catalog(args).features, args.recipe)
    streams, cache = chosen_streams(recipe, args.streams), args.output / "cache"
    try:
        with lease(args.device) as device:
            stages = prepare(args.recipe, recipe, streams, ROOT, cache, device, **options)
            coverage = extract_folder(stages, video_ids(args.videos), args.output)
        with FeatureFile(args.output / "features.h5") as features:
            write_arrays(features, args.output, args.npy)
            if features.attrs["weights"] == "untrained":
                warn("the networks are untrained, rows mean nothing")
    except KeyboardInterrupt:
        return stopped(args)
    for row in coverage:
        print("{id}: {rows} rows, {status} {reason}".format(**row).rstrip())
    return int(not all(row["rows"] for row in coverage))


COMMAND = Program(__doc__, add_arguments, extract)
