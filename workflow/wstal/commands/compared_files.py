"""Compare the files of two runs by a paired bootstrap: `wstal compare`, and the job of the DAG."""

from __future__ import annotations

import argparse
from pathlib import Path

from wstal.commands.console import Add, add_ground_truth, add_protocol, track, warn
from wstal.base.files import write_frame
from wstal.commands.scored_files import (
    features_grid,
    read_truth,
    refuse_overwriting,
    scoring_inputs,
)
from wstal.config.protocols import fitting_protocol
from wstal.evaluate.bootstrap import compare, note_few_videos, read_strict_runs


def add_compared(add: Add, required: bool = True) -> None:
    """Add the files of two runs, what scores them, and how they are compared."""
    add_ground_truth(add, required)
    add_protocol(add, required)
    add("--a", type=Path, nargs="+", required=required, help="proposals.json of A, one per seed")
    add("--b", type=Path, nargs="+", required=required, help="proposals.json of B")
    add("--a-by-iteration", type=Path, nargs="*", default=[], help="A's files by iteration")
    add("--b-by-iteration", type=Path, nargs="*", default=[], help="the same of B")
    add("--names", nargs=2, default=None, help="what to call them")
    add("--resamples", type=int, default=1000)
    add("--seed", type=int, default=0, help="of the draws")
    add("--note", default="")
    add("--output", type=Path, required=required, help="compare_{a}_vs_{b}.csv")


def compare_files(args: argparse.Namespace) -> None:
    """Write the comparison of the files that `args` name."""
    runs = (*args.a, *args.b, *args.a_by_iteration, *args.b_by_iteration)
    refuse_overwriting("--output", args.output, [*scoring_inputs(args), *runs])
    protocol = fitting_protocol(args.protocol, features_grid(args))
    truth, usable = read_truth(args)
    given = (args.a, args.a_by_iteration), (args.b, args.b_by_iteration)
    checkpoint, runs = read_strict_runs(truth, protocol, usable, given, warn)
    table = compare(
        *runs,
        protocol,
        checkpoint=checkpoint,
        names=args.names or ("a", "b"),
        resamples=args.resamples,
        seed=args.seed,
        note=args.note,
        track=track("bootstrap", "seed"),
    )
    if few := note_few_videos(len(runs[0][0].videos)):
        warn(few)
    write_frame(args.output, table)
