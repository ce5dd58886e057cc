"""Render a demo dataset, short untrimmed videos or AVE-like clips: labels.csv, segments.csv.

Examples:
  python scripts/render_demo.py --output demo_videos --config '{"seed": 7, "train": 24, "test": 12}'
  python scripts/render_demo.py --output demo_videos --config @render.json --jobs 2
  python scripts/render_demo.py --output demo_ave_videos --config '{"content": "events",
      "seed": 11, "train": 120, "background": 8, "val": 40, "test": 64}'
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
from wstal.commands.console import Add, Program, json_argument, track
from wstal.demo.videos import render_demo


def add_arguments(add: Add) -> None:
    add("--output", type=Path, required=True, help="folder to write into")
    add(
        "--config",
        type=json_argument,
        required=True,
        help="JSON or @file: seed, train, test; with `content: events` val and background too",
    )
    add("--jobs", type=int, default=1, help="processes (default 1)")


def main(args: argparse.Namespace) -> None:
    cv2.setNumThreads(1)
    render_demo(args.output, args.config, jobs=args.jobs, track=track("render"))


if __name__ == "__main__":
    Program(__doc__, add_arguments, main).run()
