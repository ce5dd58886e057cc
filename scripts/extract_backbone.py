"""Features of snippets by a network other than Inception-I3D, for a shard of videos.

Networks are the entries of workflow/config/backbones; the section of a recipe has that of its own.

Examples (R is results/ave/ave_resnet152, W is results/weights):
  python scripts/extract_backbone.py --network resnet152 --frames R/frames/shard0.csv \\
      --weights W/resnet152-394f9c45.pth --recipe @resnet152.json --code x --output o/shard0.csv
  python scripts/extract_backbone.py --network x3d_m --frames R/frames/shard0.csv \\
      --weights untrained --recipe '{"weights": "untrained", "short_side": 256, "crop": 224,
      "entry": {"library": "pytorchvideo", "model": "x3d_m", "width": 2048}}' \\
      --code x --output o/shard0.csv
"""

import argparse
from pathlib import Path

from wstal.commands.console import WEIGHTS, Add, Program, add_device, add_shard
from stage_job import run_stage
from wstal.base.device import lease
from wstal.base.settings import from_plain
from wstal.features.backbone_stage import BackboneStage
from wstal.networks.weights import UNTRAINED, read_sources


def add_arguments(add: Add) -> None:
    add("--network", required=True, help="name of the backbone")
    add("--frames", type=Path, required=True, help="manifest of the frames: they set T")
    add("--flow", type=Path, help="manifest of the flow, for a network that sees it")
    add("--weights", required=True, help=f"a file, a folder or {UNTRAINED}")
    add_device(add)
    add_shard(add, "of the network")


def main(args: argparse.Namespace) -> None:
    shards = {"frames": args.frames} | ({"flow": args.flow} if args.flow else {})
    stage, sources = (
        BackboneStage(args.network, tuple(shards)),
        read_sources(WEIGHTS / "sources.yaml"),
    )
    settings = from_plain(stage.settings, args.recipe)
    network = stage.load(settings, {"weights": args.weights}, sources)
    with lease(args.device) as device:
        run_stage(args, stage, shards, device=str(device), network=network)


if __name__ == "__main__":
    Program(__doc__, add_arguments, main, isolated=True).run()
