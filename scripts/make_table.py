"""Write a paper's table with our numbers beside the paper's, as CSV and as Markdown.

Examples:
  snakemake --cores 8 results/tables/co2net_table3.csv
  snakemake --cores 8 results/tables/co2net_table3.on_demo.csv
"""

import argparse
from pathlib import Path

import pandas as pd
from wstal.commands.console import Add, Program, json_argument
from wstal.base.files import read_frame, write_frame, write_text
from wstal.base.provenance import write_provenance
from wstal.tables.paper import as_markdown, build_table


def add_arguments(add: Add) -> None:
    add("--table", type=json_argument, required=True, help="its YAML as JSON")
    add("--paper", type=Path, required=True, help="the paper's numbers, CSV")
    add("--results", type=Path, nargs="+", required=True, help="_map.csv, _macs.csv")
    add("--dataset", help="take every row on this dataset; no paper numbers")
    add("--note", default="", help="stands in the title, e.g. demo data")
    add("--code", default="", help="code digest, recorded")
    add("--output", type=Path, required=True)
    add("--markdown", type=Path, required=True)


def main(args: argparse.Namespace) -> None:
    results: dict[tuple[str, str], pd.DataFrame] = {}
    for frame in map(read_frame, args.results):  # a run's metrics and its cost are two files
        key = frame["dataset"][0], frame["run"][0]
        results[key] = pd.concat([results[key], frame]) if key in results else frame
    table = build_table(args.table, read_frame(args.paper), results, args.dataset)
    where = f" on {args.dataset} ({args.note or 'not the dataset of the paper'})"
    title = args.table["title"] + (where if args.dataset else "")
    write_frame(args.output, table, float_format="%.2f")
    write_text(args.markdown, as_markdown(table, title))
    write_provenance(args.output, args.code, {"paper": [args.paper], "results": args.results})


if __name__ == "__main__":
    Program(__doc__, add_arguments, main).run()
