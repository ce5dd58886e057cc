"""Fetch the published weights of a network, or say what is there.

An interrupted download goes on where it broke off. A file that is not the published one is
refused. Without a network, place the file by hand: --list prints addresses and places.

Examples:
  python scripts/fetch_weights.py --list
  python scripts/fetch_weights.py i3d_rgb_imagenet i3d_flow_imagenet vggish
"""

from __future__ import annotations

import sys
from pathlib import Path

from cli import byte_bar, parser
from wstal.base.errors import WstalError
from wstal.networks.weights import fetch, read_sources, verify

REFERENCE = Path(__file__).resolve().parent.parent / "workflow/reference/weights"


def main() -> None:
    """Parse, then list or fetch each name."""
    arguments = parser(__doc__)
    arguments.add_argument("names", nargs="*", metavar="NAME", help="weights to fetch")
    arguments.add_argument("--list", action="store_true", help="print what is known and present")
    arguments.add_argument("--sources", type=Path, default=REFERENCE / "sources.yaml")
    arguments.add_argument("--folder", type=Path, default=Path("results/weights"))
    args = arguments.parse_args()
    sources = read_sources(args.sources)
    if unknown := set(args.names) - set(sources):
        arguments.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(sources)}")
    for name in sources if args.list else args.names:
        weights = sources[name]
        path = (args.folder if weights.url else args.sources.parent) / weights.file
        if args.list:
            state = "present" if path.exists() else "absent"
            print(f"{name}: {weights.network}\n  {state}: {path}\n  {weights.url or 'shipped'}")
            continue
        try:
            fetch(weights, path, byte_bar) if weights.url else verify(path, weights)
        except WstalError as error:
            sys.exit(f"{error}")


if __name__ == "__main__":
    main()
