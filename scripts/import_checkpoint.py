"""Make a run of a checkpoint of a paper's own code: our checkpoint.pt, and scores of all videos.

Examples:
  snakemake --cores 2 results/thumos14/wtalc_i3d/co2net-imported/co2net-imported_map.csv \\
      --config 'datasets={"thumos14": {"checkpoints": {"co2net-imported": ["best.pkl"]}}}'
"""

import argparse
from pathlib import Path

from wstal.commands.console import Add, Program, json_argument, log, track
from wstal.base.device import lease
from wstal.datasets.annotations import read_annotations
from wstal.features.pack import FeatureFile
from wstal.localize.scores import write_iterations
from wstal.train import checkpoint
from wstal.train.imported import import_checkpoint
from wstal.train.scoring import score_checkpoint


def add_arguments(add: Add) -> None:
    add("--given", type=Path, required=True, help="the checkpoint of the paper's code")
    add("--features", type=Path, required=True, help="features.h5")
    add("--annotations", type=Path, required=True, help="training_labels.json, for the classes")
    add("--config", type=json_argument, required=True, help="resolved run config, JSON or @file")
    add("--seed", type=int, default=0, help="number of the checkpoint")
    add("--device", default="auto", help="auto, cuda or cpu")
    add("--code", default="", help="code digest, recorded")
    add("--checkpoint", type=Path, required=True, help="output: checkpoint.pt")
    add("--scores-by-iteration", type=Path, required=True, help="output: val and test scores, HDF5")


def main(args: argparse.Namespace) -> None:
    labels = read_annotations(args.annotations)
    about = {"seed": args.seed, "code": args.code}
    with lease(args.device) as device, FeatureFile(args.features) as features:
        content = import_checkpoint(
            args.given, features, labels, args.config, device=device, **about
        )
        checkpoint.save(args.checkpoint, content)
        scores = score_checkpoint(
            args.checkpoint, features, ["val", "test"], device, track("score", "video")
        )
    write_iterations(args.scores_by_iteration, [scores])
    log("imported {file} (sha256 {sha256})".format(**content["imported"]))


if __name__ == "__main__":
    Program(__doc__, add_arguments, main).run()
