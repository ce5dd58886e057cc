"""Turn scores into proposals: ActivityNet-format detections, in seconds.

Examples:
  python scripts/localize.py --method co2net --scores seed0/scores.h5 --config @localize.json \\
      --output seed0/proposals.json
"""

import argparse
from pathlib import Path

from wstal.commands.console import Add, Program, json_argument, log, track
from wstal.base.settings import from_plain
from wstal.localize.proposals import (
    constant_attention,
    summary,
    write_proposals,
    write_proposals_by_iteration,
)
from wstal.localize.scores import ScoreHistory, read_scores
from wstal.methods.contract import localization_half


def add_arguments(add: Add) -> None:
    add("--method", required=True, help="folder of wstal.methods, for example co2net")
    add("--scores", type=Path, required=True, help="scores.h5")
    add("--scores-by-iteration", type=Path, help="scores of each evaluation interval")
    add("--config", type=json_argument, required=True, help="localize section, JSON or @file")
    add("--output", type=Path, required=True, help="output: proposals.json")
    add("--by-iteration", type=Path, help="output: proposals of each interval, .json.gz")
    add("--constant-attention", type=Path, help="output: the same with an attention of 1")


def main(args: argparse.Namespace) -> None:
    method = localization_half(args.method)
    settings = from_plain(method.settings, args.config)
    scores = read_scores(args.scores)
    found = method.localize(scores, settings)
    write_proposals(args.output, found, scores, args.config)
    log(summary(scores, found))
    if args.constant_attention:
        flat = constant_attention(scores)
        found = method.localize(flat, settings)
        write_proposals(args.constant_attention, found, flat, args.config)
    if args.by_iteration:
        history = track("localize", "iteration")(ScoreHistory(args.scores_by_iteration))
        pairs = ((each, method.localize(each, settings)) for each in history)
        write_proposals_by_iteration(args.by_iteration, pairs, args.config)


if __name__ == "__main__":
    Program(__doc__, add_arguments, main).run()
