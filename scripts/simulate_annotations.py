"""Draw the videos of a simulated dataset, or take them from an annotation database.

Writes annotations.json, the labels that training may read and a manifest (no video has a file).

Examples:
  python scripts/simulate_annotations.py --config @simulate.json \\
      --output results/thumos14_sim/annotations.json \\
      --training results/thumos14_sim/training_labels.json \\
      --manifest results/thumos14_sim/manifest.csv
"""

import argparse
from dataclasses import replace
from pathlib import Path

from wstal.commands.console import Add, Program, json_argument, log
from wstal.base.files import write_csv
from wstal.datasets.annotations import read_annotations, training_view, write_annotations
from wstal.demo.simulate import VERSION, draw_annotations, manifest_rows
from wstal.media.manifest import COLUMNS


def add_arguments(add: Add) -> None:
    add("--config", type=json_argument, required=True, help="`simulate` of the dataset YAML")
    add("--annotations", type=Path, nargs="*", default=[], help="take the videos from this file")
    add("--output", type=Path, required=True, help="output: annotations.json")
    add("--training", type=Path, required=True, help="output: training_labels.json")
    add("--manifest", type=Path, required=True, help="output: manifest.csv")


def main(args: argparse.Namespace) -> None:
    given = [read_annotations(path) for path in args.annotations]
    annotations = given[0] if given else draw_annotations(args.config)
    annotations = replace(annotations, version=VERSION)
    write_csv(args.manifest, COLUMNS, manifest_rows(annotations))
    write_annotations(args.training, training_view(annotations))
    write_annotations(args.output, annotations)
    log(f"simulated data: {len(annotations.database)} videos")


if __name__ == "__main__":
    Program(__doc__, add_arguments, main).run()
