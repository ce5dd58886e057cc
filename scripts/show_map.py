"""Print the headlines of _map.csv files: averages of ours and of the baselines, per reading.

Examples:
  python scripts/show_map.py results/demo/co2net_map.csv
"""

import sys
from pathlib import Path

import pandas as pd
from cli import parser
from wstal.base.errors import WstalError
from wstal.base.files import read_frame


def main() -> None:
    """Parse and print."""
    arguments = parser(__doc__)
    arguments.add_argument("paths", type=Path, nargs="+")
    args = arguments.parse_args()
    try:
        table = pd.concat([read_frame(path) for path in args.paths]).drop_duplicates()
    except WstalError as error:
        sys.exit(str(error))
    averages = table[table["metric"].str.contains(":") | ~table["metric"].str.contains("@")]
    columns = ["run", "reading", "metric", "mean", "sd", "n", "coverage", "protocol", "note"]
    text = averages[columns].to_string(
        index=False, float_format=lambda value: f"{value:.1f}", na_rep=""
    )
    print(text)


if __name__ == "__main__":
    main()
