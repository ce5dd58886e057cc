"""Inception-I3D features of optical flow that is computed on the way and not kept.

They have the keys of those of kept flow: switching a recipe's `cache_flow` computes nothing.

Examples (R is results/demo/demo_i3d, W is workflow/reference/weights):
  python scripts/stream_i3d_flow.py --frames R/frames/shard0.csv --recipe @i3d.json \\
      --flow-recipe @flow.json --weights W/demo_i3d_flow.safetensors --code x --flow-code y \\
      --output o/shard0.csv
"""

import sys
from pathlib import Path

from cli import json_argument, parser, track, within
from wstal.device import DEVICES, lease
from wstal.errors import WstalError
from wstal.features.i3d_stage import i3d_network
from wstal.features.streamed_flow import streamed_flow_shard
from wstal.nets.weight_files import read_sources
from wstal.store import write_shard

SOURCES = Path(__file__).resolve().parent.parent / "workflow/reference/weights/sources.yaml"


def main() -> None:
    """Parse, load the network, extract the shard."""
    arguments = parser(__doc__)
    add = arguments.add_argument
    add("--frames", type=Path, required=True, help="manifest of the frames")
    add("--weights", required=True, help="a file, or untrained")
    add("--recipe", type=json_argument, required=True, help="section i3d, JSON or @file")
    add("--flow-recipe", type=json_argument, required=True, help="section flow, JSON or @file")
    add("--threads", type=int, help="pairs at a time; default $OMP_NUM_THREADS, else all CPUs")
    add("--device", choices=DEVICES, default="auto")
    add("--code", required=True, help="digest of the code of extract_i3d.py")
    add("--flow-code", required=True, help="digest of the code of extract_flow.py")
    add("--output", type=Path, required=True, help="manifest to write; files go beside it")
    args = arguments.parse_args()
    try:
        loaded = i3d_network(args.weights, "flow", args.recipe["width"], read_sources(SOURCES))
        with lease(args.device) as device:
            records = streamed_flow_shard(
                args.frames, loaded, args.recipe, args.flow_recipe, device=device,
                threads=args.threads, code=args.code, flow_code=args.flow_code,
                directory=args.output.parent, track=track("i3d_flow"), within=within("i3d_flow"),
            )  # fmt: skip
    except WstalError as error:
        sys.exit(str(error))
    write_shard(args.output, records)


if __name__ == "__main__":
    main()
