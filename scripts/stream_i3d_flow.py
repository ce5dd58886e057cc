"""Inception-I3D features of optical flow that is computed on the way and not kept.

They have the keys of those of kept flow: switching a recipe's `cache_flow` computes nothing.

Examples (R is results/demo/demo_i3d, W is workflow/reference/weights):
  python scripts/stream_i3d_flow.py --frames R/frames/shard0.csv --recipe @i3d.json \\
      --flow-recipe @flow.json --weights W/demo_i3d_flow.safetensors --code x --flow-code y \\
      --output o/shard0.csv
"""

import sys
from functools import partial
from pathlib import Path

from cli import json_argument, parser, track
from extract_i3d import network_and_identity
from wstal.device import DEVICES, device_name, lease
from wstal.errors import WstalError
from wstal.features.i3d_stage import i3d_extractor
from wstal.features.precision_gate import precision_stamp
from wstal.features.shard import features_shard
from wstal.flow.algorithm import flow_algorithm
from wstal.flow.stage import flow_key, flow_provenance, stream_flow
from wstal.store import write_shard
from wstal.video.frames import open_frames


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
    recipe, flow = args.recipe, args.flow_recipe
    size = {name: flow[name] for name in ("short_side", "interpolation")}
    try:
        network, weights = network_and_identity(args.weights, "flow", recipe["width"])
        with lease(args.device) as device:
            algorithm = flow_algorithm(flow, device=str(device), threads=args.threads)
            gray = partial(open_frames, pixels="gray", **size)
            flow_of = {"algorithm": algorithm, "bound": flow["bound"], "open_gray": gray}
            made = {"flow": flow_provenance(flow, algorithm, args.flow_code, str(device))}
            made |= precision_stamp(recipe, args.weights, weights, device)
            records = features_shard(
                "i3d_flow", {"frames": args.frames},
                i3d_extractor("flow", network, recipe, device, partial(stream_flow, **flow_of)),
                recipe, weights=weights, device=device_name(device), code=args.code,
                directory=args.output.parent, track=track("i3d_flow"), made_from=made,
                upstream_key=partial(flow_key, recipe=flow, code=args.flow_code),
            )  # fmt: skip
    except WstalError as error:
        sys.exit(str(error))
    write_shard(args.output, records)


if __name__ == "__main__":
    main()
