"""Train one run and seed on video-level labels.

A run that was killed continues where it last saved (`checkpoint.part.pt` beside the checkpoint)
if started again with the same arguments, and ends in the same bytes.

Examples:
  python scripts/train.py --features results/demo/demo_i3d/features.h5 \\
      --annotations results/demo/training_labels.json --config @co2net.json --seed 0 \\
      --checkpoint seed0/checkpoint.pt --log seed0/log.csv \\
      --scores-by-iteration seed0/scores_by_iteration.h5
"""

import argparse
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from wstal.commands.console import Add, Program, json_argument, log, track
from wstal.base.device import lease
from wstal.base.errors import WstalError
from wstal.datasets.annotations import read_annotations
from wstal.features.pack import FeatureFile
from wstal.localize.scores import read_scores
from wstal.train import TRAINING_LOG, checkpoint
from wstal.train.data import merge_scores, teacher_scores
from wstal.train.run import RunFiles, train_run


def add_arguments(add: Add) -> None:
    add("--features", type=Path, required=True, help="features.h5")
    add("--annotations", type=Path, required=True, help="training_labels.json")
    add("--config", type=json_argument, required=True, help="resolved run config, JSON or @file")
    add("--seed", type=int, default=0)
    add("--settings", default="", help="whose settings the config has, for the log")
    add("--device", default="auto", help="auto, cuda or cpu")
    add("--code", default="", help="code digest, recorded; a change of it starts the run anew")
    add("--checkpoint", type=Path, required=True, help="output: checkpoint.pt")
    add("--log", type=Path, required=True, help="output: losses and mean attention, CSV")
    add("--scores-by-iteration", type=Path, required=True, help="output: val and test scores, HDF5")
    add("--upstream", type=Path, nargs="+", default=[], help="scores of the run it builds on")
    add("--teachers", type=Path, nargs="+", default=[], help="training scores, one per teacher")
    add("--initial", type=Path, help="checkpoint.pt of the run whose weights it starts from")
    add("--tensorboard", type=Path, help="folder of TensorBoard files of the log, if wanted")
    add("--save-every", type=int, default=None, help="iterations between saves for resuming")


def main(args: argparse.Namespace) -> None:
    files = RunFiles(args.checkpoint, args.log, args.scores_by_iteration)
    labels = read_annotations(args.annotations)
    upstream = merge_scores(read_scores(path) for path in args.upstream)
    named = zip(args.config.get("teachers", ()), args.teachers, strict=True)
    teachers = teacher_scores({name: read_scores(path) for name, path in named})
    if args.settings:
        log(f"trained with the {args.settings}")
    initial = checkpoint.load(args.initial) if args.initial else None
    folder = args.tensorboard
    if folder is None and os.environ.get(TRAINING_LOG) == "tensorboard":
        folder = args.checkpoint.with_name("tensorboard")
    with lease(args.device) as device, FeatureFile(args.features) as features:
        notes = train_run(
            features,
            labels,
            args.config,
            files,
            seed=args.seed,
            code=args.code,
            device=device,
            save_every=args.save_every,
            upstream=upstream,
            teachers=teachers,
            initial=initial,
            track=track("train", "block"),
            record=tensorboard(folder) if folder else lambda row: None,
        )
    for note in notes:
        log(note)


def tensorboard(folder: Path) -> Callable[[Mapping[str, float]], None]:
    """Return a function that writes a row of the log to new TensorBoard files in `folder`."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise WstalError(
            "log: tensorboard needs the package tensorboard: pip install 'wstal[tensorboard]', or "
            "leave `log` at csv"
        ) from error
    shutil.rmtree(folder, ignore_errors=True)  # a run that continues records all its rows again
    writer = SummaryWriter(str(folder))

    def record(row: Mapping[str, float]) -> None:
        for name, value in row.items():
            if name != "iteration":
                writer.add_scalar(name, value, int(row["iteration"]))
        writer.flush()

    return record


if __name__ == "__main__":
    Program(__doc__, add_arguments, main).run()
