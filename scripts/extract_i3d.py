"""Inception-I3D features of one stream for a shard of videos.

Examples (R is results/demo/demo_i3d, W is workflow/reference/weights):
  python scripts/extract_i3d.py --stream rgb --frames R/frames/shard0.csv \\
      --weights W/demo_i3d_rgb.safetensors --recipe @i3d.json --code x --output o/s.csv
  python scripts/extract_i3d.py --stream flow --frames R/frames/shard0.csv \\
      --flow R/flow/shard0.csv --weights untrained --recipe @i3d.json --code x --output o/s.csv
"""

from functools import partial
from pathlib import Path

from cli import track, within
from extracting import extract_shard, feature_parser
from wstal.features.i3d_stage import STREAMS, i3d_network, i3d_shard


def main() -> None:
    """Parse, load the network, extract the shard."""
    arguments = feature_parser(__doc__, "i3d")
    arguments.add_argument("--stream", choices=STREAMS, required=True)
    arguments.add_argument("--flow", type=Path, help="manifest of the flow, for that stream")
    args = arguments.parse_args()
    stream = args.stream
    shards = {"frames": args.frames} | ({"flow": args.flow} if args.flow else {})
    if ("flow" in shards) != (stream == "flow"):
        arguments.error("--flow goes with --stream flow, and only with it")
    shown = {"track": track(stream), "within": within(stream)}
    load = partial(i3d_network, args.weights, stream, args.recipe["width"])
    extract_shard(args, load, partial(i3d_shard, stream, shards, **shown))


if __name__ == "__main__":
    main()
