"""Score the same results under several protocols and checkpoints.

The first protocol is the one that the others are compared with. The rule writes the result to
{run}_protocols.csv.

Examples:
  wstal ledger --ground-truth results/thumos14/annotations.json \\
      --predictions seed?/proposals.json --protocols th14_212 th14_210 th14_212_snippets \\
      --proposals-by-iteration seed?/proposals_by_iteration.json.gz --output ledger.csv
"""

import argparse
import json
from pathlib import Path

from wstal.commands.console import Add, Program, add_ground_truth, track, warn
from wstal.base.files import write_frame
from wstal.commands.scored_files import read_truth
from wstal.config.protocols import read_protocol
from wstal.evaluate.map_table import (
    read_event_seeds,
    read_known_detections,
    read_known_history,
)
from wstal.evaluate.summary import make_ledger


def add_arguments(add: Add) -> None:
    add_ground_truth(add)
    add("--protocols", nargs="+", required=True, help="names, YAML files, or one JSON list")
    add("--predictions", type=Path, nargs="*", default=[], help="proposals.json per seed")
    add("--proposals-by-iteration", type=Path, nargs="*", default=[], help="one per seed")
    add("--scores", type=Path, nargs="*", default=[], help="of events: scores.h5 per seed")
    add("--scores-by-iteration", type=Path, nargs="*", default=[], help="one per seed")
    add("--note", default="")
    add("--output", type=Path, required=True)


def score_protocols(args: argparse.Namespace) -> None:
    sources = args.protocols
    if sources[0].lstrip().startswith("["):
        sources = [json.dumps(each) for each in json.loads(sources[0])]
    truth, usable = read_truth(args)
    protocols = [read_protocol(source) for source in sources]
    if protocols[0].task == "events":
        seeds = read_event_seeds(truth, protocols[0], args.scores, args.scores_by_iteration)
    else:
        histories = [read_known_history(truth, path) for path in args.proposals_by_iteration]
        found = [read_known_detections(truth, path) for path in args.predictions]
        seeds = list(zip(found, histories or [{}] * len(found), strict=True))
    for reason in filter(None, (each.misfit(args.step, args.t0) for each in protocols)):
        warn(f"left out: {reason}")
    table = make_ledger(
        truth,
        [each for each in protocols if not each.misfit(args.step, args.t0)],
        seeds,
        usable,
        note=args.note,
        track=track("ledger", "protocol"),
    )
    write_frame(args.output, table)


COMMAND = Program(__doc__, add_arguments, score_protocols)
