"""Write a paper's table with our numbers beside the paper's, as CSV and as Markdown.

Examples:
  snakemake --cores 8 results/tables/co2net_table3.csv
  snakemake --cores 8 results/tables/co2net_table3.on_demo.csv
"""

import sys
from pathlib import Path

import pandas as pd
from cli import json_argument, parser
from wstal.base.errors import WstalError
from wstal.base.files import read_frame, write_frame, write_text
from wstal.tables.paper import as_markdown, build_table


def main() -> None:
    """Parse, join, write."""
    arguments = parser(__doc__)
    arguments.add_argument("--table", type=json_argument, required=True, help="its YAML as JSON")
    arguments.add_argument("--paper", type=Path, required=True, help="the paper's numbers, CSV")
    arguments.add_argument(
        "--results", type=Path, nargs="+", required=True, help="_map.csv, _macs.csv"
    )
    arguments.add_argument("--dataset", help="take every row on this dataset; no paper numbers")
    arguments.add_argument("--note", default="", help="stands in the title, e.g. demo data")
    arguments.add_argument("--output", type=Path, required=True)
    arguments.add_argument("--markdown", type=Path, required=True)
    args = arguments.parse_args()
    results: dict[tuple[str, str], pd.DataFrame] = {}
    try:
        for frame in map(read_frame, args.results):  # a run's metrics and its cost are two files
            key = frame["dataset"][0], frame["run"][0]
            results[key] = pd.concat([results[key], frame]) if key in results else frame
        table = build_table(args.table, read_frame(args.paper), results, args.dataset)
    except WstalError as error:
        sys.exit(f"{error}")
    where = f" on {args.dataset} ({args.note or 'not the dataset of the paper'})"
    title = args.table["title"] + (where if args.dataset else "")
    write_frame(args.output, table, float_format="%.2f")
    write_text(args.markdown, as_markdown(table, title))


if __name__ == "__main__":
    main()
