"""Join the probed shards of a dataset into one manifest: a row per annotated video.

Examples:
  python scripts/merge_manifest.py --annotations results/demo/videos.json \\
      --shards results/demo/manifest/shard*.csv --output results/demo/manifest.csv
"""

import sys
from pathlib import Path

from cli import parser
from wstal.base.errors import WstalError
from wstal.base.files import write_csv
from wstal.datasets.annotations import read_annotations
from wstal.media.manifest import COLUMNS, merge_manifest


def main() -> None:
    """Parse, merge, write."""
    arguments = parser(__doc__)
    arguments.add_argument("--annotations", type=Path, required=True)
    arguments.add_argument("--shards", type=Path, nargs="+", required=True)
    arguments.add_argument("--output", type=Path, required=True)
    args = arguments.parse_args()
    try:
        rows = merge_manifest(read_annotations(args.annotations), args.shards)
    except WstalError as error:
        sys.exit(f"{error}")
    write_csv(args.output, COLUMNS, rows)
    for row in rows:
        if row["reason"]:
            print(f"{row['id']}: {row['status']}: {row['reason']}", file=sys.stderr)


if __name__ == "__main__":
    main()
