"""Decode the sound of the videos of one shard to 16 kHz mono, in step with the pictures.

Examples:
  python scripts/decode_audio.py --probe results/demo/manifest/shard0.csv \\
      --recipe '{"rate": 16000}' --code by-hand \\
      --output results/demo/demo_i3d/audio/shard0.csv
"""

import argparse
from pathlib import Path

from wstal.commands.console import Add, Program, add_shard
from stage_job import run_stage
from wstal.media.sound import STAGES


def add_arguments(add: Add) -> None:
    add("--probe", type=Path, required=True, help="rows of the probed videos: CSV")
    add_shard(add, "audio")


def main(args: argparse.Namespace) -> None:
    run_stage(args, STAGES["audio"], {"probe": args.probe})


if __name__ == "__main__":
    Program(__doc__, add_arguments, main, isolated=True).run()
