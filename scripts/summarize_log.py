"""What training logged over its last tenth, mean over seeds: losses, attention, active shares.

Examples:
  python scripts/summarize_log.py --logs seed0/log.csv seed1/log.csv --output co2net_log.csv
"""

import sys
from pathlib import Path

from cli import parser
from wstal.base.errors import WstalError
from wstal.base.files import read_frame, write_csv
from wstal.train.log_summary import COLUMNS, log_summary


def main() -> None:
    """Parse, average, write."""
    arguments = parser(__doc__)
    add = arguments.add_argument
    add("--logs", type=Path, nargs="+", required=True, help="log.csv of each seed")
    add("--output", type=Path, required=True, help="output: value, mean, sd, n")
    args = arguments.parse_args()
    try:
        table = log_summary({str(path): read_frame(path) for path in args.logs})
    except WstalError as error:
        sys.exit(str(error))
    write_csv(args.output, COLUMNS, table.to_dict("records"))


if __name__ == "__main__":
    main()
