"""Score the videos of a feature file by the names of the classes, without training.

Examples (R is results/thumos14/clip_frames):
  python scripts/zero_shot.py --features R/features.h5 --text R/class_vectors.h5 \\
      --output R/zero_shot/scores.h5
"""

import argparse
from pathlib import Path

from wstal.commands.console import Add, Program, track
from wstal.features.pack import FeatureFile
from wstal.localize.scores import write_scores
from wstal.networks.text import read_class_vectors
from wstal.train.zero_shot import zero_shot_scores


def add_arguments(add: Add) -> None:
    add("--features", type=Path, required=True, help="features.h5")
    add("--text", type=Path, required=True, help="class_vectors.h5")
    add("--splits", nargs="+", default=["val", "test"], help="whose videos to score")
    add("--output", type=Path, required=True, help="output: scores.h5")


def main(args: argparse.Namespace) -> None:
    text = read_class_vectors(args.text)
    with FeatureFile(args.features) as features:
        scores = zero_shot_scores(features, text, args.splits, track("score", "video"))
    write_scores(args.output, scores)


if __name__ == "__main__":
    Program(__doc__, add_arguments, main).run()
