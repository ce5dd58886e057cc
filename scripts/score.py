"""Score the videos of a feature file with a trained run: activation sequences and attention.

Examples:
  python scripts/score.py --features results/demo/demo_i3d/features.h5 \\
      --checkpoint seed0/checkpoint.pt --output seed0/scores.h5
"""

import argparse
from pathlib import Path

from wstal.commands.console import Add, Program, track
from wstal.base.device import lease
from wstal.features.pack import FeatureFile
from wstal.localize.scores import read_scores, write_scores
from wstal.train.scoring import score_checkpoint


def add_arguments(add: Add) -> None:
    add("--features", type=Path, required=True, help="features.h5")
    add("--checkpoint", type=Path, required=True, help="checkpoint.pt of the run")
    add("--splits", nargs="+", default=["val", "test"], help="whose videos to score")
    add("--upstream", type=Path, help="scores.h5 of the run it builds on, of the same videos")
    add("--device", default="auto", help="auto, cuda or cpu")
    add("--output", type=Path, required=True, help="output: scores.h5")


def main(args: argparse.Namespace) -> None:
    upstream = read_scores(args.upstream) if args.upstream else None
    with lease(args.device) as device, FeatureFile(args.features) as features:
        scores = score_checkpoint(
            args.checkpoint, features, args.splits, device, track("score", "video"), upstream
        )
    write_scores(args.output, scores)


if __name__ == "__main__":
    Program(__doc__, add_arguments, main).run()
