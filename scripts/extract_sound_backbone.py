"""Features of the sound around each row by a network other than VGGish, for a shard of videos.

Networks are the entries of workflow/config/backbones; the section of a recipe has that of its own.

Examples (R is results/ave/ast, W is results/weights):
  python scripts/extract_sound_backbone.py --network ast_audioset --frames R/frames/shard0.csv \\
      --audio R/audio/shard0.csv --weights W/ast_audioset --recipe @ast.json --code x \\
      --output o/shard0.csv
"""

import argparse
from pathlib import Path

from wstal.commands.console import WEIGHTS, Add, Program, add_device, add_shard
from stage_job import run_stage
from wstal.base.device import lease
from wstal.base.settings import from_plain
from wstal.features.sound_backbone_stage import SoundBackboneStage
from wstal.networks.weights import UNTRAINED, read_sources


def add_arguments(add: Add) -> None:
    add("--network", required=True, help="name of the backbone")
    add("--frames", type=Path, required=True, help="manifest of the frames: they set T")
    add("--audio", type=Path, required=True, help="manifest of the sound")
    add("--weights", required=True, help=f"a file, a folder or {UNTRAINED}")
    add_device(add)
    add_shard(add, "of the network")


def main(args: argparse.Namespace) -> None:
    shards = {"frames": args.frames, "audio": args.audio}
    stage, sources = (
        SoundBackboneStage(args.network, tuple(shards)),
        read_sources(WEIGHTS / "sources.yaml"),
    )
    settings = from_plain(stage.settings, args.recipe)
    network = stage.load(settings, {"weights": args.weights}, sources)
    with lease(args.device) as device:
        run_stage(args, stage, shards, device=str(device), network=network)


if __name__ == "__main__":
    Program(__doc__, add_arguments, main, isolated=True).run()
