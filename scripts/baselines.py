"""Score what took no learning: random and whole-video proposals; write baselines.csv.

Examples:
  python scripts/baselines.py --ground-truth results/demo/annotations.json \\
      --manifest results/demo/manifest.csv --coverage results/demo/demo_i3d/coverage.csv \\
      --protocol demo --output baselines.csv
"""

import argparse
from pathlib import Path

from wstal.commands.console import Add, Program, add_ground_truth, add_protocol, track, warn
from wstal.base.files import write_frame
from wstal.commands.scored_files import features_grid, read_truth
from wstal.config.protocols import fitting_protocol
from wstal.evaluate.baselines import baseline_rows
from wstal.evaluate.ground_truth import find_late_segments, read_durations


def add_arguments(add: Add) -> None:
    add_ground_truth(add)
    add_protocol(add)
    add("--manifest", type=Path, help="durations, where annotations have none")
    add("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    add("--output", type=Path, required=True)


def main(args: argparse.Namespace) -> None:
    truth, usable = read_truth(args)
    durations = read_durations(args.manifest) if args.manifest else {}
    if late := find_late_segments(truth.frame, durations):
        warn(late)
    table = baseline_rows(
        truth,
        fitting_protocol(args.protocol, features_grid(args)),
        usable,
        durations,
        args.seeds,
        track("baselines", "evaluation"),
    )
    write_frame(args.output, table)


if __name__ == "__main__":
    Program(__doc__, add_arguments, main).run()
