"""Print the headlines of _map.csv files: averages of ours and of the baselines, per reading.

Examples:
  python scripts/show_map.py results/demo/co2net_map.csv
"""

from pathlib import Path

import pandas as pd
from cli import parser


def main() -> None:
    """Parse and print."""
    arguments = parser(__doc__)
    arguments.add_argument("paths", type=Path, nargs="+")
    args = arguments.parse_args()
    table = pd.concat([pd.read_csv(path) for path in args.paths]).drop_duplicates()
    averages = table[table["metric"].str.contains(":") | ~table["metric"].str.contains("@")]
    columns = ["run", "reading", "metric", "mean", "sd", "n", "coverage", "protocol", "note"]
    text = averages[columns].to_string(
        index=False, float_format=lambda value: f"{value:.1f}", na_rep=""
    )
    print(text)


if __name__ == "__main__":
    main()
