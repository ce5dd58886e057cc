"""What the scripts that decode a shard of videos share: all but the decoder and its threads."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from cli import json_argument, parser, track
from wstal.base.array_store import Record, write_shard
from wstal.base.errors import WstalError
from wstal.media.probe import read_probe


def decode_shard(docstring: str, stage: str, decode: Callable[..., list[Record]]) -> None:
    """Parse, `decode` the probed videos (a stage of wstal.media.stage) and write the manifest."""
    arguments = parser(docstring)
    add = arguments.add_argument
    add("--probe", type=Path, required=True, help="rows of the probed videos: CSV")
    help_of_recipe = f"{stage} section of the recipe, JSON or @"
    add("--recipe", type=json_argument, required=True, help=help_of_recipe)
    add("--code", required=True, help="digest of the code, part of each artefact's key")
    add("--output", type=Path, required=True, help="output: shard manifest; arrays beside it")
    args = arguments.parse_args()
    try:
        videos = read_probe(args.probe)
        records = decode(videos, args.output.parent, args.recipe, args.code, track(stage))
    except WstalError as error:
        sys.exit(str(error))
    write_shard(args.output, records)
