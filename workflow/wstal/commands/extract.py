"""Extract the features of video files by a recipe.

The stages are those of the DAG; no labels are needed. FOLDER gets features.h5 (the videos of this
call on one time grid, with their provenance), coverage.csv (the status of each) and .npy arrays.
FOLDER/cache keeps the results of each stage: to add a video, name all of them again, and only the
new one is computed. With --backbone no recipe is needed: the features are of that network alone;
`wstal backbones` lists them. Recipes are the files in workflow/config/features.

Examples:
  wstal extract clips/*.mp4 --recipe i3d_tvl1 --output features
  wstal extract my.mp4 --recipe i3d_tvl1 --streams rgb flow --npy joint
  wstal extract clips/ --backbone videomae_base --window 16 --stride 8
  wstal extract clips/ --backbone clip_base --every 4 --precision bf16
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, get_args

import torch

from wstal.commands.console import Add, Program, add_device, track, warn, within
from wstal.apply.extraction import LAYOUTS, extract_folder, prepare, video_ids, write_arrays
from wstal.apply.run_folder import chosen_streams, video_recipe
from wstal.base.device import lease
from wstal.base.errors import WstalError
from wstal.config.catalog import own_catalog
from wstal.config.installation import ROOT, work_folder
from wstal.config.validation import backbone_recipe
from wstal.features.pack import FeatureFile
from wstal.networks.backbone import Precision

DEFAULT = "i3d_tvl1"
# Options that say what a row of a backbone sees, and how it is computed.
OF_BACKBONE = ("window", "stride", "every", "tail", "precision", "compile")


def add_videos(add: Add, output: str) -> None:
    """Add video files, the folder for results (default: `output`) and how to compute."""
    add("videos", type=Path, nargs="+", metavar="VIDEO", help="a file, or a folder: all below it")
    add("--output", type=Path, default=output, metavar="FOLDER", help=f"default: {output}")
    add_device(add)
    add("--threads", type=int, help="CPUs; default: for flow all, for networks 1, as in the DAG")
    add("--keep", action="store_true", help="keep flow in the cache too: it is large")
    add("--configfile", type=Path, help="configuration besides the project's own YAMLs")


def stage_options(args: argparse.Namespace) -> dict[str, Any]:
    """Return options of `wstal.apply.extraction.Extraction`; set the threads of the networks."""
    torch.set_num_threads(args.threads or 1)
    shown = {"tracks": track, "withins": within}
    return {"keep_flow": args.keep, "threads": args.threads, **shown}


def stopped(args: argparse.Namespace) -> str:
    """What Ctrl-C has not cost."""
    return f"stopped; {args.output / 'cache'} keeps what is done, the same command continues"


def add_arguments(add: Add) -> None:
    add_videos(add, output="features")
    add("--recipe", help=f"default: {DEFAULT}")
    add("--backbone", metavar="NAME", help="a network instead of a recipe, or timm:MODEL")
    add("--weights", help="of the backbone: a file, a folder or untrained (default: its entry's)")
    add("--window", type=int, help="frames that a row of the backbone sees (default: its own)")
    add("--stride", type=int, help="frames from row to row (default: 16)")
    add("--every", type=int, help="one frame in how many it sees (default: 1)")
    add("--tail", choices=("drop", "repeat", "pad"), help="the end of a video (default: drop)")
    add("--precision", choices=get_args(Precision), help="of the backbone (default: fp32)")
    add("--compile", action="store_true", default=None, help="the backbone, by torch.compile")
    add("--streams", nargs="+", help="of the recipe's (default: all)")
    add("--npy", choices=LAYOUTS, default="streams", help="a file per stream, or joint")


def extract(args: argparse.Namespace) -> int:
    """Extract, write, print; the exit status is 1 if a video has no features."""
    options = {"places": [work_folder()], **stage_options(args)}
    catalog, name = own_catalog(args.configfile), args.backbone or args.recipe or DEFAULT
    given = {key: getattr(args, key) for key in OF_BACKBONE if getattr(args, key) is not None}
    if args.backbone and args.recipe:
        raise WstalError("give either --recipe or --backbone")
    if args.backbone:
        recipe = backbone_recipe(name, given, args.weights, catalog.backbones)
    elif given or args.weights:
        option = next(iter(given), "weights")
        raise WstalError(f"--{option} is of a backbone; a recipe states its own in its file")
    else:
        recipe = video_recipe(catalog.features, name)
    streams, cache = chosen_streams(recipe, args.streams), args.output / "cache"
    with lease(args.device) as device:
        stages = prepare(name.replace(":", "_"), recipe, streams, ROOT, cache, device, **options)
        coverage = extract_folder(stages, video_ids(args.videos), args.output)
    with FeatureFile(args.output / "features.h5") as features:
        write_arrays(features, args.output, args.npy)
        if features.attrs["weights"] == "untrained":
            warn("the networks are untrained, rows mean nothing")
    for row in coverage:
        print("{id}: {rows} rows, {status} {reason}".format(**row).rstrip())
    return int(not all(row["rows"] for row in coverage))


COMMAND = Program(__doc__, add_arguments, extract, stopped=stopped)
