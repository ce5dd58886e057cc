"""Features of RGB snippets by a public network other than Inception-I3D, for a shard of videos.

Networks are listed in workflow/wstal/networks/backbones/__init__.py.

Examples (R is results/ave/ave_resnet152, W is results/weights):
  python scripts/extract_backbone.py --network resnet152 --frames R/frames/shard0.csv \\
      --weights W/resnet152-394f9c45.pth --recipe @resnet152.json --code x --output o/shard0.csv
  python scripts/extract_backbone.py --network x3d_m --frames R/frames/shard0.csv \\
      --weights untrained --recipe '{"short_side": 256, "interpolation": "bilinear",
      "crop": 224, "window": 16, "stride": 8, "batch": 2}' --code x --output o/shard0.csv
"""

import argparse
from pathlib import Path

from wstal.commands.console import WEIGHTS, Add, Program, add_device, add_shard
from stage_job import run_stage
from wstal.base.device import lease
from wstal.base.settings import from_plain
from wstal.features.backbone_stage import STAGES
from wstal.networks.weights import UNTRAINED, read_sources


def add_arguments(add: Add) -> None:
    add("--network", choices=STAGES, required=True)
    add("--frames", type=Path, required=True, help="manifest of the frames: they set T")
    add("--weights", required=True, help=f"a file, or {UNTRAINED}")
    add_device(add)
    add_shard(add, "of the network")


def main(args: argparse.Namespace) -> None:
    stage = STAGES[args.network]
    settings, sources = (
        from_plain(stage.settings, args.recipe),
        read_sources(WEIGHTS / "sources.yaml"),
    )
    network = stage.load(settings, {"weights": args.weights}, sources)
    with lease(args.device) as device:
        run_stage(args, stage, {"frames": args.frames}, device=str(device), network=network)


if __name__ == "__main__":
    Program(__doc__, add_arguments, main, isolated=True).run()
