"""Features of video files by a recipe: no labels, no workflow, the DAG's own stages.

FOLDER gets features.h5 (all videos on one time grid, with what made them), coverage.csv (what
became of each) and .npy arrays. FOLDER/cache keeps what a stage made: another run computes only
what lacks. Recipes: the files in workflow/config/features.

Examples:
  python scripts/extract_features.py clips/*.mp4 --recipe i3d_tvl1 --output features
  python scripts/extract_features.py my.mp4 --recipe i3d_tvl1 --streams rgb flow --npy joint
"""

import sys
from pathlib import Path

import torch
from cli import parser, track, within
from wstal.config.catalog import load_catalog, read_yaml
from wstal.device import DEVICES, lease
from wstal.errors import WstalError
from wstal.features.pack import FeatureFile
from wstal.inference.feature_folder import LAYOUTS, extract_folder, write_arrays
from wstal.inference.preparation import prepared
from wstal.inference.recipe import chosen_streams, video_recipe
from wstal.inference.video_ids import video_ids

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Parse, extract, write; exit with 1 if a video has no features."""
    arguments = parser(__doc__)
    add = arguments.add_argument
    add("videos", type=Path, nargs="+", metavar="VIDEO", help="a video file")
    add("--recipe", default="i3d_tvl1", help="default: i3d_tvl1")
    add("--streams", nargs="+", help="of the recipe's (default: all)")
    add("--output", type=Path, default="features", metavar="FOLDER", help="default: features")
    add("--npy", choices=LAYOUTS, default="streams", help="a file per stream, or joint")
    add("--device", choices=DEVICES, default="auto")
    add("--threads", type=int, help="CPUs; default: for flow all, for networks 1, as in the DAG")
    add("--keep", action="store_true", help="keep flow in the cache too: it is large")
    add("--configfile", type=Path, help="configuration besides the YAMLs: a recipe of your own")
    args = arguments.parse_args()
    torch.set_num_threads(args.threads or 1)
    options = {"keep_flow": args.keep, "threads": args.threads, "tracks": track, "withins": within}
    try:
        changes = read_yaml(args.configfile) if args.configfile else {}
        catalog = load_catalog(ROOT / "workflow/config", ROOT / "workflow/schemas", changes)
        recipe = video_recipe(catalog.features, args.recipe)
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
    for row in coverage:
        print("{id}: {rows} rows, {status} {reason}".format(**row).rstrip())
    sys.exit(not all(row["rows"] for row in coverage))


if __name__ == "__main__":
    main()
