"""Render a demo dataset, short untrimmed videos or AVE-like clips: labels.csv, segments.csv.

Examples:
  python scripts/render_demo.py --output demo_videos --config '{"seed": 7, "train": 24, "test": 12}'
  python scripts/render_demo.py --output demo_videos --config @render.json --jobs 2
  python scripts/render_demo.py --output demo_ave_videos --config '{"content": "events",
      "seed": 11, "train": 120, "background": 8, "val": 40, "test": 64}'
"""

from __future__ import annotations

from pathlib import Path

import cv2
from cli import json_argument, parser, track
from wstal.demo.folder import render_demo


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--output", type=Path, required=True, help="folder to write into")
    arguments.add_argument(
        "--config",
        type=json_argument,
        required=True,
        help="JSON or @file: seed, train, test; with `content: events` val and background too",
    )
    arguments.add_argument("--jobs", type=int, default=1, help="processes (default 1)")
    given = arguments.parse_args()
    cv2.setNumThreads(1)
    render_demo(given.output, given.config, jobs=given.jobs, track=track("render"))


if __name__ == "__main__":
    main()
