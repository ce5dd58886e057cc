"""Optical flow of a shard of videos, quantised to one byte, in chunks of one snippet.

Examples (folder R is results/demo/demo_i3d):
  python scripts/extract_flow.py --frames R/frames/shard0.csv --recipe @flow.json --code dev \\
      --output R/flow/shard0.csv
  python scripts/extract_flow.py --frames R/frames/shard0.csv --code dev --threads 2 \\
      --recipe '{"algorithm": "dis", "short_side": 256, "interpolation": "bilinear",
      "bound": 20}' \\
      --output R/flow/shard0.csv
"""

import sys
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path

from cli import json_argument, parser, track, within
from wstal.base.array_store import write_shard
from wstal.base.errors import WstalError
from wstal.flow.stage import flow_shard
from wstal.media.frames import open_frames


def leased(device: str) -> AbstractContextManager:
    """The device to compute on; on the CPU without torch, which takes seconds to import."""
    if device == "cpu":
        return nullcontext(device)
    from wstal.base.device import lease

    return lease(device)


def main() -> None:
    """Parse, compute, write."""
    arguments = parser(__doc__)
    add = arguments.add_argument
    add("--frames", type=Path, required=True, help="manifest of the frames")
    add("--recipe", type=json_argument, required=True, help="section flow, JSON or @file")
    add("--threads", type=int, help="pairs at a time; default $OMP_NUM_THREADS, else all CPUs")
    add("--device", choices=("auto", "cuda", "cpu"), default="cpu")
    add("--code", required=True, help="digest of the code")
    add("--output", type=Path, required=True, help="manifest to write; files go beside it")
    args = arguments.parse_args()
    size = {name: args.recipe[name] for name in ("short_side", "interpolation")}
    try:
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
    except WstalError as error:
        sys.exit(str(error))
    write_shard(args.output, records)


if __name__ == "__main__":
    main()
