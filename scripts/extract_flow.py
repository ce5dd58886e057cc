"""Optical flow of a shard of videos, quantised to one byte, in chunks of one snippet.

Examples (folder R is results/demo/demo_i3d):
  python scripts/extract_flow.py --frames R/frames/shard0.csv --recipe @flow.json --code dev \\
      --output R/flow/shard0.csv
  python scripts/extract_flow.py --frames R/frames/shard0.csv --code dev --threads 2 \\
      --recipe '{"algorithm": "dis", "short_side": 256, "interpolation": "bilinear",
      "bound": 20}' \\
      --output R/flow/shard0.csv
"""

import argparse
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path

from wstal.base.array_store import write_shard
from wstal.commands.console import Add, Program, add_device, add_shard, track, within
from wstal.flow.stage import flow_shard
from wstal.media.frames import open_frames


def add_arguments(add: Add) -> None:
    add("--frames", type=Path, required=True, help="manifest of the frames")
    add("--threads", type=int, help="pairs at a time; default $OMP_NUM_THREADS, else all CPUs")
    add_device(add, default="cpu")
    add_shard(add, "flow")


def leased(device: str) -> AbstractContextManager:
    """The device to compute on; on the CPU without torch, which takes seconds to import."""
    if device == "cpu":
        return nullcontext(device)
    from wstal.base.device import lease

    return lease(device)


def main(args: argparse.Namespace) -> None:
    size = {name: args.recipe[name] for name in ("short_side", "interpolation")}
    with leased(args.device) as device:
        records = flow_shard(
            args.frames,
            args.recipe,
            code=args.code,
            directory=args.output.parent,
            open_gray=partial(open_frames, pixels="gray", **size),
            device=str(device),
            threads=args.threads,
            track=track("flow"),
            within=within("flow"),
        )
    write_shard(args.output, records)


if __name__ == "__main__":
    Program(__doc__, add_arguments, main).run()
