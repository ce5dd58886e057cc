"""Plot a metric over the values of one setting: a run for each value, mean and sd over its seeds.

Examples:
  snakemake --cores 2 results/figures/tssam_sweep_alpha.on_demo.svg
"""

import argparse
from pathlib import Path

from wstal.commands.console import Add, Program, json_argument
from wstal.base.files import read_frame
from wstal.plots.style import save
from wstal.plots.sweep import plot_sweep
from wstal.tables.paper import headline, metric_name

COLUMNS = ("run", "reading", "metric", "mean", "sd", "n")  # needed of each _map.csv


def add_arguments(add: Add) -> None:
    add("--maps", type=Path, nargs="+", required=True, help="_map.csv of each point's run")
    add("--sweep", type=json_argument, required=True, help="JSON: title, setting, metric, points")
    add("--output", type=Path, nargs="+", required=True, help="SVG, PNG, ...")


def main(args: argparse.Namespace) -> None:
    points, metric = args.sweep["points"], metric_name(args.sweep["metric"])
    frames = [read_frame(path, COLUMNS) for path in args.maps]
    strict = [frame[(frame["reading"] == "strict") & (frame["run"] == point["run"])]
              for frame, point in zip(frames, points, strict=True)]  # fmt: skip
    if not all((rows["metric"] == metric).any() for rows in strict):
        metric = headline(strict[0])  # another dataset's protocol
    rows = [rows[rows["metric"] == metric].iloc[0] for rows in strict]
    values = [point["value"] for point in points]
    for path in args.output:
        save(plot_sweep(values, rows, args.sweep["setting"], args.sweep["title"]), path)


if __name__ == "__main__":
    Program(__doc__, add_arguments, main).run()
