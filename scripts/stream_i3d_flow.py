"""Inception-I3D features of optical flow that is computed on the way and not kept.

They have the keys of those of kept flow: switching a recipe's `cache_flow` computes nothing.
`--code` is the digest of extract_i3d.py, as there.

Examples (R is results/demo/demo_i3d, W is workflow/reference/weights):
  python scripts/stream_i3d_flow.py --frames R/frames/shard0.csv --recipe @i3d.json \\
      --flow-recipe @flow.json --weights W/demo_i3d_flow.safetensors --code x --flow-code y \\
      --output o/shard0.csv
"""

import argparse
from pathlib import Path

from wstal.commands.console import WEIGHTS, Add, Program, add_device, add_shard, json_argument
from stage_job import run_stage
from wstal.base.device import lease
from wstal.base.settings import from_plain
from wstal.base.stage import Job
from wstal.features.i3d_stage import STAGES
from wstal.flow.algorithm import FlowSettings
from wstal.flow.stage import FlowStage
from wstal.networks.weights import UNTRAINED, read_sources


def add_arguments(add: Add) -> None:
    add("--frames", type=Path, required=True, help="manifest of the frames: they set T")
    add("--weights", required=True, help=f"a file, or {UNTRAINED}")
    add("--flow-recipe", type=json_argument, required=True, help="section flow, JSON or @file")
    add("--flow-code", required=True, help="digest of the code of extract_flow.py")
    add("--threads", type=int, help="pairs at a time; default $OMP_NUM_THREADS, else all CPUs")
    add_device(add)
    add_shard(add, "i3d")


def main(args: argparse.Namespace) -> None:
    stage = STAGES["i3d_flow"]
    settings, sources = (
        from_plain(stage.settings, args.recipe),
        read_sources(WEIGHTS / "sources.yaml"),
    )
    network = stage.load(settings, {"weights": args.weights}, sources)
    with lease(args.device) as device:
        flow = from_plain(FlowSettings, args.flow_recipe)
        job = Job(args.flow_code, Path(), device=str(device), threads=args.threads)
        streamed = {"flow": FlowStage().streamed(flow, job)}
        options = {"device": str(device), "network": network, "streamed": streamed}
        run_stage(args, stage, {"frames": args.frames}, **options)


if __name__ == "__main__":
    Program(__doc__, add_arguments, main, isolated=True).run()
