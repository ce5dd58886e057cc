"""Sort the errors of a run into kinds: CSV files and figures.

Examples:
  wstal diagnose --ground-truth results/demo/annotations.json --protocol demo \\
      --predictions seed0/proposals.json --manifest results/demo/manifest.csv --output diagnosis
"""

import argparse
from pathlib import Path

from wstal.commands.console import Add, Program, add_ground_truth, add_protocol, warn
from wstal.base.files import write_frame
from wstal.commands.scored_files import features_grid, read_truth
from wstal.config.protocols import fitting_protocol
from wstal.evaluate.diagnosis import diagnose
from wstal.evaluate.ground_truth import read_durations
from wstal.evaluate.map_table import read_scored_detections
from wstal.evaluate.protocols import prepare
from wstal.plots.diagnosis import FIGURES
from wstal.plots.style import save


def add_arguments(add: Add) -> None:
    add_ground_truth(add)
    add_protocol(add)
    add("--predictions", type=Path, required=True, help="proposals.json")
    add("--manifest", type=Path, help="durations, for the share of the video an instance covers")
    add("--tiou", type=float, default=0.5, help="threshold of the error kinds (default: 0.5)")
    add("--note", default="", help="beside every title and row, for example: demo data")
    add("--output", type=Path, required=True, help="folder of CSV and SVG files")


def diagnose_run(args: argparse.Namespace) -> None:
    protocol = fitting_protocol(args.protocol, features_grid(args))
    truth, usable = read_truth(args)
    found = read_scored_detections(truth, protocol, args.predictions, warn)
    prepared = prepare(truth, found, protocol, usable)
    known = {video: seconds for video, seconds in truth.duration.items() if seconds}
    measured = read_durations(args.manifest) if args.manifest else {}
    tables = diagnose(prepared, protocol, measured | known, args.tiou)
    for name, table in tables.items():
        noted = table.assign(protocol=protocol.name, note=args.note)
        write_frame(args.output / f"{name}.csv", noted)
        title = f"{protocol.name} · {args.note}" if args.note else protocol.name
        save(FIGURES[name](table, title), args.output / f"{name}.svg")


COMMAND = Program(__doc__, add_arguments, diagnose_run)
