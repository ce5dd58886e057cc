"""Inception-I3D features of one stream for a shard of videos.

Examples (R is results/demo/demo_i3d, W is workflow/reference/weights):
  python scripts/extract_i3d.py --stream rgb --frames R/frames/shard0.csv \\
      --weights W/demo_i3d_rgb.safetensors --recipe @i3d.json --code x --output o/s.csv
  python scripts/extract_i3d.py --stream flow --frames R/frames/shard0.csv \\
      --flow R/flow/shard0.csv --weights untrained --recipe @i3d.json --code x --output o/s.csv
"""

import argparse
from pathlib import Path

from wstal.commands.console import WEIGHTS, Add, Program, add_device, add_shard
from stage_job import run_stage
from wstal.base.device import lease
from wstal.base.errors import WstalError
from wstal.base.settings import from_plain
from wstal.features.i3d_stage import CHANNELS, STAGES
from wstal.networks.weights import UNTRAINED, read_sources


def add_arguments(add: Add) -> None:
    add("--stream", choices=CHANNELS, required=True)
    add("--frames", type=Path, required=True, help="manifest of the frames: they set T")
    add("--flow", type=Path, help="manifest of the flow, for that stream")
    add("--weights", required=True, help=f"a file, or {UNTRAINED}")
    add_device(add)
    add_shard(add, "i3d")


def main(args: argparse.Namespace) -> None:
    stage = STAGES[f"i3d_{args.stream}"]
    shards = {"frames": args.frames} | ({"flow": args.flow} if args.flow else {})
    if tuple(shards) != stage.inputs:
        raise WstalError("--flow goes with --stream flow, and only with it")
    settings, sources = (
        from_plain(stage.settings, args.recipe),
        read_sources(WEIGHTS / "sources.yaml"),
    )
    network = stage.load(settings, {"weights": args.weights}, sources)
    with lease(args.device) as device:
        run_stage(args, stage, shards, device=str(device), network=network)


if __name__ == "__main__":
    Program(__doc__, add_arguments, main, isolated=True).run()
