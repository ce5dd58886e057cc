"""Join the probed shards of a dataset into one manifest: a row per annotated video.

Examples:
  python scripts/merge_manifest.py --annotations results/demo/videos.json \\
      --shards results/demo/manifest/shard*.csv --output results/demo/manifest.csv
"""

import argparse
from pathlib import Path

from wstal.commands.console import Add, Program, log
from wstal.base.files import write_csv
from wstal.datasets.annotations import read_annotations
from wstal.media.manifest import COLUMNS, merge_manifest


def add_arguments(add: Add) -> None:
    add("--annotations", type=Path, required=True)
    add("--shards", type=Path, nargs="+", required=True)
    add("--output", type=Path, required=True)


def main(args: argparse.Namespace) -> None:
    rows = merge_manifest(read_annotations(args.annotations), args.shards)
    write_csv(args.output, COLUMNS, rows)
    for row in rows:
        if row["reason"]:
            log(f"{row['id']}: {row['status']}: {row['reason']}")


if __name__ == "__main__":
    Program(__doc__, add_arguments, main).run()
