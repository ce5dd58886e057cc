"""Compare I3D in a lower precision with float32, on given weights.

The first snippets of each video are compared. The verdict is kept beside the weights, where
extraction finds it: features are `verified` if the least cosine is over 0.9999, refused if it is
not, `unverified` without a verdict. Exit status 1 says that it failed.

Examples (W is results/weights):
  wstal check-precision --stream rgb --weights W/rgb_imagenet.pt --precision bf16 \\
      --videos clips/*.mp4
  wstal check-precision --stream flow --weights W/flow_imagenet.pt --precision fp16 \\
      --device cuda --videos clips/*.mp4 --snippets 32
"""

import argparse
from pathlib import Path

from wstal.commands.console import WEIGHTS, Add, Program, add_device
from wstal.base.device import lease
from wstal.features.i3d_stage import CHANNELS, STAGES, I3DSettings
from wstal.features.precision import write_verdict
from wstal.features.snippets import batches
from wstal.features.verify import judge, sample_snippets
from wstal.networks.i3d.inference import EXACT, PRECISIONS
from wstal.networks.weights import read_sources


def add_arguments(add: Add) -> None:
    add("--stream", choices=CHANNELS, required=True)
    add("--weights", type=Path, required=True)
    add("--precision", choices=[name for name in PRECISIONS if name != EXACT], required=True)
    add("--videos", type=Path, nargs="+", required=True)
    add("--snippets", type=int, default=8, help="of each video")
    add("--short-side", type=int, default=256)
    add("--crop", type=int, default=224)
    add("--width", type=float, default=1.0, help="of the network")
    add_device(add)


def check(args: argparse.Namespace) -> int:
    size = {"short_side": args.short_side, "crop": args.crop}
    sources = read_sources(WEIGHTS / "sources.yaml")
    settings, files = I3DSettings(width=args.width), {"weights": str(args.weights)}
    network, _, weights = STAGES[f"i3d_{args.stream}"].load(settings, files, sources)
    with lease(args.device) as device:
        found = (
            snippet
            for video in args.videos
            for snippet in sample_snippets(video, args.stream, args.snippets, **size)
        )
        verdict = judge(network, weights, batches(found, 4), args.precision, device)
        path = write_verdict(args.weights, verdict, device)
    print(f"{'pass' if verdict.passed else 'fail'}: {verdict}; kept in {path}")
    return int(not verdict.passed)


COMMAND = Program(__doc__, add_arguments, check)
