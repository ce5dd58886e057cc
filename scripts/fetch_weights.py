"""Fetch the published weights of a network, or say what is there.

An interrupted download goes on where it broke off. A file that is not the published one is
refused. Without a network, place the file by hand: --list prints addresses and places.

Examples:
  python scripts/fetch_weights.py --list
  python scripts/fetch_weights.py i3d_rgb_imagenet i3d_flow_imagenet vggish
"""

from __future__ import annotations

import argparse
from pathlib import Path

from wstal.base.errors import WstalError
from wstal.commands.console import Add, Program, byte_bar
from wstal.networks.weights import fetch, read_sources, verify

REFERENCE = Path(__file__).resolve().parent.parent / "workflow/reference/weights"


def add_arguments(add: Add) -> None:
    add("names", nargs="*", metavar="NAME", help="weights to fetch")
    add("--list", action="store_true", help="print what is known and present")
    add("--sources", type=Path, default=REFERENCE / "sources.yaml")
    add("--folder", type=Path, default=Path("results/weights"))


def main(args: argparse.Namespace) -> None:
    sources = read_sources(args.sources)
    if unknown := set(args.names) - set(sources):
        names, known = ", ".join(sorted(unknown)), ", ".join(sources)
        raise WstalError(f"unknown weights: {names}; known: {known}")
    for name in sources if args.list else args.names:
        weights = sources[name]
        path = (args.folder if weights.url else args.sources.parent) / weights.file
        if args.list:
            state = "present" if path.exists() else "absent"
            print(f"{name}: {weights.network}\n  {state}: {path}\n  {weights.url or 'shipped'}")
            continue
        fetch(weights, path, byte_bar) if weights.url else verify(path, weights)


if __name__ == "__main__":
    Program(__doc__, add_arguments, main).run()
