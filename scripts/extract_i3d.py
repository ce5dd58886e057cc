"""Inception-I3D features of one stream for a shard of videos.

Examples (R is results/demo/demo_i3d, W is workflow/reference/weights):
  python scripts/extract_i3d.py --stream rgb --frames R/frames/shard0.csv \\
      --weights W/demo_i3d_rgb.safetensors --recipe @i3d.json --code x --output o/s.csv
  python scripts/extract_i3d.py --stream flow --frames R/frames/shard0.csv \\
      --flow R/flow/shard0.csv --weights untrained --recipe @i3d.json --code x --output o/s.csv
"""

import sys
from pathlib import Path

from cli import json_argument, parser, track, within
from wstal.device import DEVICES, lease
from wstal.errors import WstalError
from wstal.features.i3d_stage import STREAMS, i3d_network, i3d_shard
from wstal.nets.weight_files import read_sources
from wstal.nets.weights import UNTRAINED
from wstal.store import write_shard

SOURCES = Path(__file__).resolve().parent.parent / "workflow/reference/weights/sources.yaml"


def main() -> None:
    """Parse, load the network, extract the shard."""
    arguments = parser(__doc__)
    add = arguments.add_argument
    add("--stream", choices=STREAMS, required=True)
    add("--frames", type=Path, required=True, help="manifest of the frames")
    add("--flow", type=Path, help="manifest of the flow, for that stream")
    add("--weights", required=True, help=f"a file, or {UNTRAINED}")
    add("--recipe", type=json_argument, required=True, help="section i3d, JSON or @file")
    add("--device", choices=DEVICES, default="auto")
    add("--code", required=True, help="digest of the code")
    add("--output", type=Path, required=True, help="manifest to write; files go beside it")
    args = arguments.parse_args()
    shards = {"frames": args.frames} | ({"flow": args.flow} if args.flow else {})
    if ("flow" in shards) != (args.stream == "flow"):
        arguments.error("--flow goes with --stream flow, and only with it")
    try:
        sources, width = read_sources(SOURCES), args.recipe["width"]
        loaded = i3d_network(args.weights, args.stream, width, sources)
        with lease(args.device) as device:
            records = i3d_shard(
                args.stream, shards, loaded, args.recipe, device=device, code=args.code,
                directory=args.output.parent, track=track(args.stream), within=within(args.stream),
            )  # fmt: skip
    except WstalError as error:
        sys.exit(str(error))
    write_shard(args.output, records)


if __name__ == "__main__":
    main()
