"""Download a dataset's public video archives and unpack the videos it is made of.

Interrupted downloads go on where they broke off; videos that are there are kept. A password is
read from the environment variable that the dataset's facts name.

Examples:
  WSTAL_THUMOS14_PASSWORD=... python scripts/fetch_videos.py --dataset thumos14 \\
      --facts workflow/reference/datasets/thumos14.yaml \\
      --annotations results/thumos14/videos.json --output results/thumos14/videos/fetched.csv
"""

import argparse
import os
from pathlib import Path

import yaml
from wstal.commands.console import Add, Program, byte_bar, log, track
from wstal.base.errors import WstalError
from wstal.base.files import write_csv
from wstal.datasets.annotations import read_annotations
from wstal.datasets.fetching import fetch_videos, how_to_get


def add_arguments(add: Add) -> None:
    add("--dataset", required=True, help="the dataset's slug")
    add("--facts", type=Path, required=True, help="YAML with its addresses")
    add("--annotations", type=Path, required=True, help="videos.json")
    add("--output", type=Path, required=True, help="fetched.csv, in the folder")
    add("--jobs", type=int, default=1, help="videos unpacked at a time")


def main(args: argparse.Namespace) -> None:
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
            report=log,
            track=track("unpack"),
            track_bytes=byte_bar,
        )
    except WstalError as error:
        raise WstalError(f"{how_to_get(args.dataset)}\n\nNot fetched: {error}.") from error
    write_csv(args.output, ("id", "file", "bytes", "archive"), rows)


if __name__ == "__main__":
    Program(__doc__, add_arguments, main).run()
