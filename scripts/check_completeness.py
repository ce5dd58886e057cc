"""Count the videos without features; end with their list if they are more than allowed.

Examples:
  python scripts/check_completeness.py --coverage results/demo/demo_i3d/coverage.csv \\
      --max-missing 1 --output results/demo/demo_i3d/completeness.csv
"""

import sys
from pathlib import Path

from cli import json_argument, parser
from wstal.base.errors import WstalError
from wstal.base.files import write_csv
from wstal.features.pack import COLUMNS, check_missing
from wstal.media.manifest import read_rows


def main() -> None:
    """Parse, count, write."""
    arguments = parser(__doc__)
    arguments.add_argument("--coverage", type=Path, required=True, help="coverage.csv")
    arguments.add_argument("--max-missing", type=json_argument, default=None, help="or null")
    arguments.add_argument("--output", type=Path, required=True, help="CSV with the counts")
    args = arguments.parse_args()
    try:
        counts = check_missing(read_rows(args.coverage), args.max_missing)
    except WstalError as error:
        sys.exit(f"{error}")
    write_csv(args.output, COLUMNS, [counts])
    if absent := counts["without_features"]:
        print(f"{absent} of {counts['videos']} videos have no features; why: {args.coverage}")


if __name__ == "__main__":
    main()
