"""Compare a network in a lower precision with float32, on given weights.

The first snippets of each video are compared. The verdict is kept beside the weights, where
extraction finds it: features are `verified` if the least cosine is over 0.9999, refused if it is
not, `unverified` without a verdict. Exit status 1 says that it failed.

Examples (W is results/weights):
  wstal check-precision --stream rgb --weights W/rgb_imagenet.pt --precision bf16 \\
      --videos clips/*.mp4
  wstal check-precision --stream flow --weights W/flow_imagenet.pt --precision fp16 \\
      --device cuda --videos clips/*.mp4 --snippets 32
  wstal check-precision --backbone videomae_base --precision bf16 --videos clips/*.mp4
"""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np
import torch
from torch import nn

from wstal.commands.console import WEIGHTS, Add, Program, add_device
from wstal.base.device import lease
from wstal.base.errors import WstalError
from wstal.commands.backbones import entry_and_weights
from wstal.features.i3d_stage import CHANNELS, STAGES, I3DSettings
from wstal.features.precision import write_verdict
from wstal.features.snippets import batches
from wstal.features.verify import judge, sample_snippets
from wstal.networks.backbone import Precision, load_backbone
from wstal.networks.i3d.inference import PRECISIONS, for_inference
from wstal.networks.weights import EXACT, identify, read_sources


class Compared(NamedTuple):
    """A network with its weights, and what it sees of a video."""

    weights: Path
    identity: str
    network_in: Callable[[torch.device], Callable[[str], nn.Module]]  # a device, a precision
    snippets: Callable[[Path], Iterator[np.ndarray]]


def add_arguments(add: Add) -> None:
    add("--stream", choices=CHANNELS, help="of Inception-I3D")
    add("--backbone", metavar="NAME", help="another network that sees pictures")
    add("--weights", type=Path, help="of a backbone, default: its entry's")
    add("--precision", choices=[name for name in PRECISIONS if name != EXACT], required=True)
    add("--videos", type=Path, nargs="+", required=True)
    add("--snippets", type=int, default=8, help="of each video")
    add("--short-side", type=int, default=256, help="of I3D")
    add("--crop", type=int, default=224, help="of I3D")
    add("--width", type=float, default=1.0, help="of I3D")
    add("--configfile", type=Path, help="configuration besides the project's own YAMLs")
    add_device(add)


def check(args: argparse.Namespace) -> int:
    if bool(args.stream) == bool(args.backbone):
        raise WstalError("give either --stream (of Inception-I3D) or --backbone")
    compared = of_i3d(args) if args.stream else of_backbone(args)
    with lease(args.device) as device:
        found = (snippet for video in args.videos for snippet in compared.snippets(video))
        network_in = compared.network_in(device)
        verdict = judge(network_in, compared.identity, batches(found, 4), args.precision, device)
        path = write_verdict(compared.weights, verdict, device)
    print(f"{'pass' if verdict.passed else 'fail'}: {verdict}; kept in {path}")
    return int(not verdict.passed)


def of_i3d(args: argparse.Namespace) -> Compared:
    """Return Inception-I3D with the named weights."""
    if args.weights is None:
        raise WstalError("--stream needs --weights, the file of the stream's weights")
    size: dict[str, Any] = {"short_side": args.short_side, "crop": args.crop}
    sources = read_sources(WEIGHTS / "sources.yaml")
    settings, files = I3DSettings(width=args.width), {"weights": str(args.weights)}
    network, _, identity = STAGES[f"i3d_{args.stream}"].load(settings, files, sources)
    return Compared(
        args.weights,
        identity,
        lambda device: lambda mode: for_inference(network, device, mode),
        lambda video: sample_snippets(video, args.stream, args.snippets, **size),
    )


def of_backbone(args: argparse.Namespace) -> Compared:
    """Return a backbone with its entry's weights, or the named ones."""
    from wstal.features.backbone_check import clip_snippets  # transformers, if it is there

    if args.precision not in get_args(Precision):
        raise WstalError(f"--precision: {args.precision} is for Inception-I3D; backbones take bf16")
    entry, weights = entry_and_weights(args.backbone, args.configfile, args.weights)
    torch.backends.cudnn.allow_tf32 = False  # float32, which it is compared with, means float32
    network = load_backbone(args.backbone, entry, weights, entry.frames)
    return Compared(
        weights,
        identify(weights, read_sources(WEIGHTS / "sources.yaml")),
        lambda device: network.channels_last().to(device).computes,
        lambda video: clip_snippets(video, entry, args.snippets),
    )


COMMAND = Program(__doc__, add_arguments, check)
