"""Download a dataset's public video archives and unpack the videos it is made of.

Interrupted downloads go on where they broke off; videos that are there are kept. A password is
read from the environment variable that the dataset's facts name.

Examples:
  WSTAL_THUMOS14_PASSWORD=... python scripts/fetch_videos.py --dataset thumos14 \\
      --facts workflow/reference/datasets/thumos14.yaml \\
      --annotations results/thumos14/videos.json --output results/thumos14/videos/fetched.csv
"""

import os
import sys
from pathlib import Path

import yaml
from cli import byte_bar, parser, track
from wstal.base.errors import WstalError
from wstal.base.files import write_csv
from wstal.datasets.annotations import read_annotations
from wstal.datasets.fetching import fetch_videos, how_to_get


def tell(text: str) -> None:
    """Say something before the long part."""
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    """Parse, fetch, unpack, write the list of videos."""
    arguments = parser(__doc__)
    arguments.add_argument("--dataset", required=True, help="the dataset's slug")
    arguments.add_argument("--facts", type=Path, required=True, help="YAML with its addresses")
    arguments.add_argument("--annotations", type=Path, required=True, help="videos.json")
    arguments.add_argument("--output", type=Path, required=True, help="fetched.csv, in the folder")
    arguments.add_argument("--jobs", type=int, default=1, help="videos unpacked at a time")
    args = arguments.parse_args()
    archives = yaml.safe_load(args.facts.read_text()).get("videos", [])
    try:
        if not archives:
            raise WstalError("its videos are in no public archive")
        rows = fetch_videos(
            archives,
            args.output.parent,
            set(read_annotations(args.annotations).database),
            passwords=os.environ,
            jobs=args.jobs,
            tell=tell,
            track=track("unpack"),
            track_bytes=byte_bar,
        )
    except WstalError as error:
        sys.exit(f"{how_to_get(args.dataset)}\n\nNot fetched: {error}.")
    write_csv(args.output, ("id", "file", "bytes", "archive"), rows)


if __name__ == "__main__":
    main()
