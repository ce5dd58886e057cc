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
from pathlib import Path

from wstal.commands.console import Add, Program, add_device, add_shard
from stage_job import run_stage
from wstal.flow.stage import STAGES


def add_arguments(add: Add) -> None:
    add("--frames", type=Path, required=True, help="manifest of the frames")
    add("--threads", type=int, help="pairs at a time; default $OMP_NUM_THREADS, else all CPUs")
    add_device(add, default="cpu")
    add_shard(add, "flow")


def lease_device(device: str) -> AbstractContextManager:
    """Lease the device to compute on; the CPU without torch, which takes seconds to import."""
    if device == "cpu":
        return nullcontext(device)
    from wstal.base.device import lease

    return lease(device)


def main(args: argparse.Namespace) -> None:
    with lease_device(args.device) as device:
        options = {"device": str(device), "threads": args.threads}
        run_stage(args, STAGES["flow"], {"frames": args.frames}, **options)


if __name__ == "__main__":
    Program(__doc__, add_arguments, main, isolated=True).run()
