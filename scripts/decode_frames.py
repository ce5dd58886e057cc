"""Decode the videos of one shard and write which decoded frame stands at each k/fps second.

Examples:
  python scripts/decode_frames.py --probe results/demo/manifest/shard0.csv \\
      --recipe '{"fps": 25, "decoder": "pyav", "cache_frames": false}' --code by-hand \\
      --output results/demo/demo_i3d/frames/shard0.csv
"""

import argparse
from pathlib import Path

import cv2
from wstal.base.array_store import write_shard
from wstal.commands.console import Add, Program, add_shard, track
from wstal.media.probe import read_probe
from wstal.media.stage import decode_frames


def add_arguments(add: Add) -> None:
    add("--probe", type=Path, required=True, help="rows of the probed videos: CSV")
    add_shard(add, "frames")


def main(args: argparse.Namespace) -> None:
    cv2.setNumThreads(1)  # jobs share the machine by shard
    videos, folder = read_probe(args.probe), args.output.parent
    write_shard(args.output, decode_frames(videos, folder, args.recipe, args.code, track("frames")))


if __name__ == "__main__":
    Program(__doc__, add_arguments, main).run()
