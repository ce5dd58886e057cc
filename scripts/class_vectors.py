"""Write the vectors of a dataset's class names, by the text side of a backbone.

Examples (R is results/thumos14, W is results/weights):
  python scripts/class_vectors.py --annotations R/training_labels.json --stream rgb \\
      --network clip_base --entry @clip_base.json --weights W/clip_base --output class_vectors.h5
"""

import argparse
from pathlib import Path

from wstal.commands.console import WEIGHTS, Add, Program, json_argument, log
from wstal.base.settings import from_plain
from wstal.datasets.annotations import read_annotations
from wstal.networks.backbone import BackboneEntry
from wstal.networks.text import class_vectors, load_text_side, write_class_vectors
from wstal.networks.weights import identify, read_sources


def add_arguments(add: Add) -> None:
    add("--annotations", type=Path, required=True, help="training_labels.json, for the classes")
    add("--stream", required=True, help="stream of the features that the backbone makes")
    add("--network", required=True, help="name of the backbone")
    add("--entry", type=json_argument, required=True, help="its entry, JSON or @file")
    add("--weights", required=True, help="a file or a folder, the one of the features")
    add("--output", type=Path, required=True, help="output: class_vectors.h5")


def main(args: argparse.Namespace) -> None:
    entry = from_plain(BackboneEntry, args.entry)
    side = load_text_side(args.network, entry, args.weights)
    found = class_vectors(side, entry, read_annotations(args.annotations).classes)
    identity = identify(args.weights, read_sources(WEIGHTS / "sources.yaml"))
    found.about.update(stream=args.stream, backbone=args.network, weights=identity)
    write_class_vectors(args.output, found)
    log(f"{len(found.classes)} classes as vectors of {args.network}")


if __name__ == "__main__":
    Program(__doc__, add_arguments, main, isolated=True).run()
