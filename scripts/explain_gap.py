"""Write what leads from a paper's printed number to ours: one row per known cause.

Examples:
  snakemake --cores 8 results/thumos14/co2net_gap.csv
  snakemake --cores 8 results/thumos14_sim/co2net_gap.csv
"""

import argparse
from pathlib import Path

from wstal.commands.console import Add, Program, json_argument
from wstal.base.files import read_frame, write_frame, write_text
from wstal.evaluate.ground_truth import read_ground_truth
from wstal.evaluate.protocols import protocol_from
from wstal.tables.gap import (
    Conventions,
    build_gap,
    choose_metric,
    gap_markdown,
    printed_numbers,
    wtalc_values,
)


def add_arguments(add: Add) -> None:
    add("--about", type=json_argument, required=True, help="the run and how it is scored, as JSON")
    add("--ground-truth", type=Path, required=True, help="annotations.json")
    add("--ledger", type=Path, required=True, help="_protocols.csv of the run")
    add("--maps", type=Path, nargs="+", required=True, help="_map.csv, the run's own first")
    add("--paper", type=Path, help="the paper's numbers, CSV")
    add("--scores", type=Path, nargs="*", default=[], help="scores.h5 per seed, of detections")
    add("--output", type=Path, required=True)
    add("--markdown", type=Path, required=True)


def main(args: argparse.Namespace) -> None:
    about = args.about
    conventions = Conventions(**about["conventions"])
    own = conventions.protocols[conventions.own]
    protocol = protocol_from({"name": conventions.own, **own})
    printed = {}
    if args.paper:
        paper = read_frame(args.paper)
        printed = printed_numbers(paper, about["printed"]["variant"], about["dataset"])
    metric = choose_metric(protocol, printed)
    truth = read_ground_truth(args.ground_truth)
    maps = [read_frame(path) for path in args.maps]
    table = build_gap(
        maps[0],
        read_frame(args.ledger),
        conventions,
        about["others"],
        {(frame["run"][0], frame["recipe"][0]): frame for frame in maps[1:]},
        printed,
        wtalc_values(truth, protocol, args.scores, metric),
        metric=metric,
    )
    where = "{table}, {variant}".format(**about["printed"]) if metric in printed else ""
    write_frame(args.output, table, float_format="%.2f")
    page = gap_markdown(table, about["title"], metric, where, about["note"])
    write_text(args.markdown, page)


if __name__ == "__main__":
    Program(__doc__, add_arguments, main).run()
