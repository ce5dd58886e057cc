"""Print the headline of a _map.csv: averages of ours and of the baselines, per reading.

Examples:
  python scripts/show_map.py results/demo/co2net_map.csv
"""

from pathlib import Path

import pandas as pd
from cli import parser


def main() -> None:
    """Parse and print."""
    arguments = parser(__doc__)
    arguments.add_argument("path", type=Path)
    args = arguments.parse_args()
    table = pd.read_csv(args.path)
    averages = table[table["metric"].str.contains(":") | ~table["metric"].str.contains("@")]
    columns = ["run", "reading", "metric", "mean", "sd", "n", "coverage", "protocol", "note"]
    text = averages[columns].to_string(
        index=False, float_format=lambda value: f"{value:.1f}", na_rep=""
    )
    print(text)


if __name__ == "__main__":
    main()
