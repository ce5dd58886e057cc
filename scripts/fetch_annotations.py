"""Download a dataset's published label files, or say what to place where.

Examples:
  python scripts/fetch_annotations.py --dataset ave \\
      --facts workflow/reference/datasets/ave.yaml --output results/ave/published/fetched.csv
"""

import sys
from pathlib import Path

import yaml
from cli import byte_bar, parser
from wstal.base.errors import WstalError
from wstal.base.files import write_csv
from wstal.datasets.fetching import fetch_files, how_to_get


def main() -> None:
    """Parse, fetch, write the list of what was fetched."""
    arguments = parser(__doc__)
    arguments.add_argument("--dataset", required=True, help="the dataset's slug")
    arguments.add_argument("--facts", type=Path, help="YAML with its addresses")
    arguments.add_argument("--output", type=Path, required=True, help="fetched.csv")
    arguments.add_argument("--attempts", type=int, default=3, help="for each file")
    args = arguments.parse_args()
    facts = yaml.safe_load(args.facts.read_text()) if args.facts else {}
    try:
        files, folder = facts.get("annotations", []), args.output.parent
        rows = fetch_files(files, folder, attempts=args.attempts, track=byte_bar)
    except WstalError as error:
        sys.exit(f"{how_to_get(args.dataset)}\n\nNothing was placed there, and the {error}")
    write_csv(args.output, ("file", "url", "bytes", "sha256"), rows)


if __name__ == "__main__":
    main()
