"""Features of video files by a recipe: no labels, no workflow, the DAG's own stages.

FOLDER gets features.h5 (the videos of this call on one time grid, with what made them),
coverage.csv (what became of each) and .npy arrays. FOLDER/cache keeps what a stage made: to add a
video name all of them again, only it is computed. Recipes: the files in workflow/config/features.

Examples:
  python scripts/extract_features.py clips/*.mp4 --recipe i3d_tvl1 --output features
  python scripts/extract_features.py my.mp4 --recipe i3d_tvl1 --streams rgb flow --npy joint
"""

import sys

from new_videos import ROOT, read_catalog, stage_options, stopped, video_parser
from wstal.apply.extraction import prepared
from wstal.apply.features import LAYOUTS, extract_folder, video_ids, write_arrays
from wstal.apply.run_folder import chosen_streams, video_recipe
from wstal.base.device import lease
from wstal.base.errors import WstalError
from wstal.features.pack import FeatureFile


def main() -> None:
    """Parse, extract, write; exit with 1 if a video has no features."""
    arguments = video_parser(__doc__, "features")
    add = arguments.add_argument
    add("--recipe", default="i3d_tvl1", help="default: i3d_tvl1")
    add("--streams", nargs="+", help="of the recipe's (default: all)")
    add("--npy", choices=LAYOUTS, default="streams", help="a file per stream, or joint")
    args = arguments.parse_args()
    options = stage_options(args)
    try:
        recipe = video_recipe(read_catalog(args).features, args.recipe)
        streams, cache = chosen_streams(recipe, args.streams), args.output / "cache"
        with lease(args.device) as device:
            stages = prepared(args.recipe, recipe, streams, ROOT, cache, device, **options)
            coverage = extract_folder(stages, video_ids(args.videos), args.output)
        with FeatureFile(args.output / "features.h5") as features:
            write_arrays(features, args.output, args.npy)
            if features.attrs["weights"] == "untrained":
                print("warning: the networks are untrained, rows mean nothing", file=sys.stderr)
    except (WstalError, OSError) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(stopped(args))
    for row in coverage:
        print("{id}: {rows} rows, {status} {reason}".format(**row).rstrip())
    sys.exit(not all(row["rows"] for row in coverage))


if __name__ == "__main__":
    main()
