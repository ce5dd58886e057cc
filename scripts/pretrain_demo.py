"""Pretrain one of the demo's small networks on rendered clips; no part of the demo itself.

The clips and their flow are rendered once into the pool file. RGB is distilled from flow, so
flow comes first. Held-out accuracy, recipe and versions go into the record beside the weights;
after a new training put the new sha256 into workflow/reference/weights/sources.yaml.

Examples (folder W is workflow/reference/weights):
  python scripts/pretrain_demo.py --network flow --output W/demo_i3d_flow.safetensors
  python scripts/pretrain_demo.py --network rgb --teacher W/demo_i3d_flow.safetensors \\
      --output W/demo_i3d_rgb.safetensors
  python scripts/pretrain_demo.py --network vggish --output W/demo_vggish.safetensors
"""

import argparse
from pathlib import Path

import torch
from wstal.commands.console import WEIGHTS, Add, Program, json_argument, track
from wstal.base.errors import WstalError
from wstal.demo.pretrain import (
    ClipPool,
    pretrain_flow,
    pretrain_rgb,
    pretrain_vggish,
    save_pretrained,
    write_pool,
)
from wstal.networks.i3d.network import load_i3d


def add_arguments(add: Add) -> None:
    add("--network", choices=["flow", "rgb", "vggish"], required=True)
    add("--config", type=json_argument, default=f"@{WEIGHTS}/pretrain.json", help="JSON or @file")
    add("--pool", type=Path, default=Path("results/weights/clips.h5"))
    add("--teacher", type=Path, help="flow weights that RGB learns from")
    add("--output", type=Path, required=True, help="a .safetensors file")
    add("--record", type=Path, help="default: demo_weights.json beside it")


def main(args: argparse.Namespace) -> None:
    torch.set_num_threads(1)  # so that the result does not depend on the number of cores
    settings, steps = args.config[args.network], track(args.network, "step")
    if args.network == "rgb" and not args.teacher:
        raise WstalError("rgb is distilled: give the flow network's weights as --teacher")
    if args.network == "vggish":
        network, accuracy = pretrain_vggish(settings, steps)
    else:
        write_pool(args.pool, args.config["pool"], track("clips", "clip"))
        pool = ClipPool(args.pool, args.config["pool"]["bound"])
        if args.network == "flow":
            network, accuracy = pretrain_flow(pool, settings, steps)
        else:
            teacher = load_i3d(args.teacher, 2, args.config["flow"]["width"])
            network, accuracy = pretrain_rgb(pool, settings, teacher, steps)
    record = args.record or args.output.with_name("demo_weights.json")
    save_pretrained(args.output, record, network, args.network, args.config, accuracy)


if __name__ == "__main__":
    Program(__doc__, add_arguments, main).run()
