"""Precision and recall over the threshold on the probability, the mean over seeds, with a figure.

Examples:
  python scripts/operate.py --ground-truth results/demo/annotations.json --protocol demo \\
      --predictions seed*/proposals.json --calibrations seed*/calibration.json \\
      --output operating.csv --figure operating.svg
"""

import argparse
from pathlib import Path

from wstal.commands.console import Add, Program, add_ground_truth, add_protocol, log, warn
from wstal.base.errors import WstalError
from wstal.base.files import write_frame
from wstal.commands.scored_files import features_grid, read_truth
from wstal.config.protocols import fitting_protocol
from wstal.evaluate.calibration import (
    calibration_set,
    mean_points,
    operating_points,
    read_calibration,
    right_detections,
)
from wstal.evaluate.map_table import read_scored_detections
from wstal.plots.diagnosis import plot_operating
from wstal.plots.style import save


def add_arguments(add: Add) -> None:
    add_ground_truth(add)
    add_protocol(add)
    add("--predictions", type=Path, nargs="+", required=True, help="proposals.json of each seed")
    add("--calibrations", type=Path, nargs="+", required=True, help="calibration.json of each")
    add("--note", default="", help="beside every row and in the title, for example: demo data")
    add("--output", type=Path, required=True, help="output: operating.csv")
    add("--figure", type=Path, required=True, help="output: operating.svg")


def main(args: argparse.Namespace) -> None:
    protocol = fitting_protocol(args.protocol, features_grid(args))
    truth, usable = read_truth(args)
    if len(args.predictions) != len(args.calibrations):
        raise WstalError("give one calibration.json per proposals.json")
    seeds = []
    for predictions, path in zip(args.predictions, args.calibrations, strict=True):
        fitted = read_calibration(path, predictions)
        found = read_scored_detections(truth, protocol, predictions, warn)
        subset, prepared = calibration_set(truth, found, protocol, usable)
        score, right = right_detections(prepared, fitted.tiou)
        instances = len(prepared.ground_truth)
        seeds.append(operating_points(fitted.probability(score), right, instances))
    table = mean_points(seeds)
    note = f"{args.note}; " if args.note else ""
    note += f"{len(seeds)} seeds, {subset} videos, tIoU {fitted.tiou:g}"
    write_frame(args.output, table.round(4).assign(subset=subset, note=args.note))
    save(plot_operating(table, note), args.figure)
    for row in table[table["best"] == "yes"].itertuples():
        log(
            f"threshold {row.threshold:g}: precision {row.precision:.1f}, recall {row.recall:.1f}, "
            f"F1 {row.f1:.1f} ({note})"
        )


if __name__ == "__main__":
    Program(__doc__, add_arguments, main).run()
