"""What the scripts that extract a shard of features share: arguments, device and manifest."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from cli import json_argument, parser
from wstal.base.array_store import Record, write_shard
from wstal.base.device import DEVICES, lease
from wstal.base.errors import WstalError
from wstal.features.shard import LoadedNetwork
from wstal.networks.weights import UNTRAINED, read_sources

SOURCES = Path(__file__).resolve().parent.parent / "workflow/reference/weights/sources.yaml"


def feature_parser(docstring: str, section: str) -> argparse.ArgumentParser:
    """A parser for the frames, the weights, a section of the recipe, how to compute, the output."""
    arguments = parser(docstring)
    add = arguments.add_argument
    add("--frames", type=Path, required=True, help="manifest of the frames: they set T")
    add("--weights", required=True, help=f"a file, or {UNTRAINED}")
    add("--recipe", type=json_argument, required=True, help=f"section {section}, JSON or @file")
    add("--device", choices=DEVICES, default="auto")
    add("--code", required=True, help="digest of the code")
    add("--output", type=Path, required=True, help="manifest to write; files go beside it")
    return arguments


def extract_shard(
    args: argparse.Namespace,
    load: Callable[..., LoadedNetwork],
    extract: Callable[..., list[Record]],
) -> None:
    """`load` the network, `extract` the videos on the device and write the manifest.

    `load` is given the weights that are known; `extract` the network, the recipe and, by name,
    device, code and directory. Ends on what either of them refuses.
    """
    try:
        loaded = load(sources=read_sources(SOURCES))
        with lease(args.device) as device:
            made = {"device": device, "code": args.code, "directory": args.output.parent}
            records = extract(loaded=loaded, recipe=args.recipe, **made)
    except WstalError as error:
        sys.exit(str(error))
    write_shard(args.output, records)
