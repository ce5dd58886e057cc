"""Inception-I3D features of one stream for a shard of videos.

Examples (R is results/demo/demo_i3d, W is workflow/reference/weights):
  python scripts/extract_i3d.py --stream rgb --frames R/frames/shard0.csv \\
      --weights W/demo_i3d_rgb.safetensors --recipe @i3d.json --code x --output o/s.csv
  python scripts/extract_i3d.py --stream flow --frames R/frames/shard0.csv \\
      --flow R/flow/shard0.csv --weights untrained --recipe @i3d.json --code x --output o/s.csv
"""

import argparse
from pathlib import Path

from wstal.base.array_store import write_shard
from wstal.base.device import lease
from wstal.base.errors import WstalError
from wstal.commands.console import WEIGHTS, Add, Program, add_device, add_shard, track, within
from wstal.features.i3d_stage import STREAMS, i3d_network, i3d_shard
from wstal.networks.weights import UNTRAINED, read_sources


def add_arguments(add: Add) -> None:
    add("--stream", choices=STREAMS, required=True)
    add("--frames", type=Path, required=True, help="manifest of the frames: they set T")
    add("--flow", type=Path, help="manifest of the flow, for that stream")
    add("--weights", required=True, help=f"a file, or {UNTRAINED}")
    add_device(add)
    add_shard(add, "i3d")


def main(args: argparse.Namespace) -> None:
    stream, shards = args.stream, {"frames": args.frames}
    if (args.flow is not None) != (stream == "flow"):
        raise WstalError("--flow goes with --stream flow, and only with it")
    if args.flow:
        shards["flow"] = args.flow
    sources = read_sources(WEIGHTS / "sources.yaml")
    loaded = i3d_network(args.weights, stream, args.recipe["width"], sources)
    with lease(args.device) as device:
        records = i3d_shard(
            stream,
            shards,
            loaded=loaded,
            recipe=args.recipe,
            device=device,
            code=args.code,
            directory=args.output.parent,
            track=track(stream),
            within=within(stream),
        )
    write_shard(args.output, records)


if __name__ == "__main__":
    Program(__doc__, add_arguments, main).run()
