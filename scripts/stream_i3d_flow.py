"""Inception-I3D features of optical flow that is computed on the way and not kept.

They have the keys of those of kept flow: switching a recipe's `cache_flow` computes nothing.
`--code` is the digest of extract_i3d.py, as there.

Examples (R is results/demo/demo_i3d, W is workflow/reference/weights):
  python scripts/stream_i3d_flow.py --frames R/frames/shard0.csv --recipe @i3d.json \\
      --flow-recipe @flow.json --weights W/demo_i3d_flow.safetensors --code x --flow-code y \\
      --output o/shard0.csv
"""

from functools import partial

from cli import json_argument, track, within
from extracting import extract_shard, feature_parser
from wstal.features.i3d_stage import i3d_network, streamed_flow_shard


def main() -> None:
    """Parse, load the network, extract the shard."""
    arguments = feature_parser(__doc__, "i3d")
    add = arguments.add_argument
    add("--flow-recipe", type=json_argument, required=True, help="section flow, JSON or @file")
    add("--flow-code", required=True, help="digest of the code of extract_flow.py")
    add("--threads", type=int, help="pairs at a time; default $OMP_NUM_THREADS, else all CPUs")
    args = arguments.parse_args()
    flow = {"flow": args.flow_recipe, "flow_code": args.flow_code, "threads": args.threads}
    shown = {"track": track("i3d_flow"), "within": within("i3d_flow")}
    load = partial(i3d_network, args.weights, "flow", args.recipe["width"])
    extract_shard(args, load, partial(streamed_flow_shard, args.frames, **flow, **shown))


if __name__ == "__main__":
    main()
