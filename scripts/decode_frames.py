"""Decode the videos of one shard and write which decoded frame stands at each k/fps second.

Examples:
  python scripts/decode_frames.py --probe results/demo/manifest/shard0.csv \\
      --recipe '{"fps": 25, "decoder": "pyav", "cache_frames": false}' --code by-hand \\
      --output results/demo/demo_i3d/frames/shard0.csv
"""

import sys
from pathlib import Path

import cv2
from cli import json_argument, parser, track
from wstal.errors import WstalError
from wstal.store import write_shard
from wstal.video.probing import read_probe
from wstal.video.stage import decode_frames


def main() -> None:
    """Parse, decode, write."""
    arguments = parser(__doc__)
    add = arguments.add_argument
    add("--probe", type=Path, required=True, help="rows of the probed videos: CSV")
    add(
        "--recipe",
        type=json_argument,
        required=True,
        help="frames section of the recipe, JSON or @",
    )
    add("--code", required=True, help="digest of the code, part of each artefact's key")
    add("--output", type=Path, required=True, help="output: shard manifest; arrays beside it")
    args = arguments.parse_args()
    cv2.setNumThreads(1)  # jobs share the machine by shard
    try:
        videos = read_probe(args.probe)
        records = decode_frames(videos, args.output.parent, args.recipe, args.code, track("frames"))
    except WstalError as error:
        sys.exit(str(error))
    write_shard(args.output, records)


if __name__ == "__main__":
    main()
