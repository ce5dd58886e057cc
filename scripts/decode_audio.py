"""Decode the sound of the videos of one shard to 16 kHz mono, in step with the pictures.

Examples:
  python scripts/decode_audio.py --probe results/demo/manifest/shard0.csv \\
      --recipe '{"rate": 16000}' --code by-hand \\
      --output results/demo/demo_i3d/audio/shard0.csv
"""

import sys
from pathlib import Path

from cli import json_argument, parser, track
from wstal.errors import WstalError
from wstal.store import write_shard
from wstal.video.probing import read_probe
from wstal.video.stage import decode_audio


def main() -> None:
    """Parse, decode, write."""
    arguments = parser(__doc__)
    add = arguments.add_argument
    add("--probe", type=Path, required=True, help="rows of the probed videos: CSV")
    add(
        "--recipe",
        type=json_argument,
        required=True,
        help="audio section of the recipe, JSON or @",
    )
    add("--code", required=True, help="digest of the code, part of each artefact's key")
    add("--output", type=Path, required=True, help="output: shard manifest; arrays beside it")
    args = arguments.parse_args()
    try:
        videos = read_probe(args.probe)
        records = decode_audio(videos, args.output.parent, args.recipe, args.code, track("audio"))
    except WstalError as error:
        sys.exit(str(error))
    write_shard(args.output, records)


if __name__ == "__main__":
    main()
