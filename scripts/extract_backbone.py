"""Features of RGB snippets by a public network other than Inception-I3D, for a shard of videos.

Networks are the modules of workflow/wstal/networks/backbones.

Examples (R is results/ave/ave_resnet152, W is results/weights):
  python scripts/extract_backbone.py --network resnet152 --frames R/frames/shard0.csv \\
      --weights W/resnet152-394f9c45.pth --recipe @resnet152.json --code x --output o/shard0.csv
  python scripts/extract_backbone.py --network x3d_m --frames R/frames/shard0.csv \\
      --weights untrained --recipe '{"short_side": 256, "interpolation": "bilinear",
      "crop": 224, "tail": "drop", "batch": 2}' --code x --output o/shard0.csv
"""

import argparse
from pathlib import Path

from wstal.base.array_store import write_shard
from wstal.base.device import lease
from wstal.commands.console import WEIGHTS, Add, Program, add_device, add_shard, track, within
from wstal.features.backbone_stage import backbone_network, backbone_shard
from wstal.networks.weights import UNTRAINED, read_sources


def add_arguments(add: Add) -> None:
    add("--network", required=True, help="a module of networks/backbones")
    add("--frames", type=Path, required=True, help="manifest of the frames: they set T")
    add("--weights", required=True, help=f"a file, or {UNTRAINED}")
    add_device(add)
    add_shard(add, "of the network")


def main(args: argparse.Namespace) -> None:
    name = args.network
    loaded = backbone_network(name, args.weights, read_sources(WEIGHTS / "sources.yaml"))
    with lease(args.device) as device:
        records = backbone_shard(
            name,
            args.frames,
            loaded=loaded,
            recipe=args.recipe,
            device=device,
            code=args.code,
            directory=args.output.parent,
            track=track(name),
            within=within(name),
        )
    write_shard(args.output, records)


if __name__ == "__main__":
    Program(__doc__, add_arguments, main).run()
