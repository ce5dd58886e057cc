"""Decode the videos of one shard and write which decoded frame stands at each k/fps second.

Examples:
  python scripts/decode_frames.py --probe results/demo/manifest/shard0.csv \\
      --recipe '{"fps": 25, "decoder": "pyav", "cache_frames": false}' --code by-hand \\
      --output results/demo/demo_i3d/frames/shard0.csv
"""

import argparse
from pathlib import Path

import cv2
from wstal.commands.console import Add, Program, add_shard
from stage_job import run_stage
from wstal.media.frame_stage import STAGES


def add_arguments(add: Add) -> None:
    add("--probe", type=Path, required=True, help="rows of the probed videos: CSV")
    add_shard(add, "frames")


def main(args: argparse.Namespace) -> None:
    cv2.setNumThreads(1)  # jobs share the machine by shard
    run_stage(args, STAGES["frames"], {"probe": args.probe})


if __name__ == "__main__":
    Program(__doc__, add_arguments, main, isolated=True).run()
