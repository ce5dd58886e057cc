"""Compare two runs by a paired bootstrap over videos.

Writes compare_{a}_vs_{b}.csv: is run A better than run B? The last iterates are compared
(proposals.json; of events scores.h5), or the best on validation if the files by iteration are given
and validation videos are annotated. Nothing is chosen on test.

Examples:
  wstal compare --ground-truth results/demo/annotations.json --protocol demo \\
      --a co2net/seed?/proposals.json --b acn/seed?/proposals.json --names co2net acn \\
      --output compare_co2net_vs_acn.csv
"""

import argparse
from pathlib import Path

from wstal.commands.console import Add, Program, add_ground_truth, add_protocol, track, warn
from wstal.base.files import write_frame
from wstal.commands.scored_files import features_grid, read_truth
from wstal.config.protocols import fitting_protocol
from wstal.evaluate.bootstrap import compare, note_few_videos, read_strict_runs


def add_arguments(add: Add) -> None:
    add_ground_truth(add)
    add_protocol(add)
    add("--a", type=Path, nargs="+", required=True, help="proposals.json of A, one per seed")
    add("--b", type=Path, nargs="+", required=True, help="proposals.json of B")
    add("--a-by-iteration", type=Path, nargs="*", default=[], help="A's files by iteration")
    add("--b-by-iteration", type=Path, nargs="*", default=[], help="the same of B")
    add("--names", nargs=2, default=("a", "b"), help="what to call them")
    add("--resamples", type=int, default=1000)
    add("--seed", type=int, default=0, help="of the draws")
    add("--note", default="")
    add("--output", type=Path, required=True)


def compare_runs(args: argparse.Namespace) -> None:
    protocol = fitting_protocol(args.protocol, features_grid(args))
    truth, usable = read_truth(args)
    given = (args.a, args.a_by_iteration), (args.b, args.b_by_iteration)
    checkpoint, runs = read_strict_runs(truth, protocol, usable, given, warn)
    table = compare(
        *runs,
        protocol,
        checkpoint=checkpoint,
        names=args.names,
        resamples=args.resamples,
        seed=args.seed,
        note=args.note,
        track=track("bootstrap", "seed"),
    )
    if few := note_few_videos(len(runs[0][0].videos)):
        warn(few)
    write_frame(args.output, table)


COMMAND = Program(__doc__, add_arguments, compare_runs)
