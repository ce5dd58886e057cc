"""Localize with scores of any tool: class scores and attention to segments.

SCORES is a scores.h5 of this project, or per video the arrays cas [T, C+1] (or [T, C]), and
where there are any attention [T] and video_score [C]: {video}_cas.npy, ... in a folder, or
{video}/cas, ... in .npz, .h5 or JSON. The localization is that of a run of this project. With
--ground-truth and --protocol the segments are scored too.

Examples:
  wstal localize-scores outputs.npz --run co2net --classes classes.txt --step 0.64 \\
      --output proposals.json
  wstal localize-scores arrays --names logits=cas att=attention --background none \\
      --run tssam --ground-truth gt.json --protocol th14_212 --output proposals.json
  wstal localize-scores results/thumos14/i3d_tvl1/co2net/seed0/scores.h5 --run cavf \\
      --config '{"class_threshold": 0.1}' --output proposals.json
"""

from __future__ import annotations

import argparse
from pathlib import Path

from wstal.commands.console import Add, Program, json_argument, log, warn
from wstal.base.errors import WstalError
from wstal.base.settings import from_plain
from wstal.base.text_files import read_text
from wstal.config.catalog import own_catalog
from wstal.config.layers import merged
from wstal.config.protocols import fitting_protocol
from wstal.evaluate.ground_truth import read_ground_truth
from wstal.evaluate.map_table import ALL, format_row, run_rows
from wstal.localize.given_scores import BACKGROUNDS, read_given_scores
from wstal.localize.proposals import summary, write_proposals
from wstal.localize.scores import ACTIVATIONS, write_scores
from wstal.methods.contract import localization_half


def add_arguments(add: Add) -> None:
    add("scores", type=Path, help="scores.h5, .npz, .h5, .json, or a folder of arrays")
    add("--run", required=True, help="whose localization: co2net, tssam-..., ...")
    add("--dataset", default="thumos14", help="whose settings of that run (default: thumos14)")
    add("--config", type=json_argument, default={}, help="other settings, JSON or @file")
    add("--classes", type=Path, help="a class per line, in the order of the columns of cas")
    add("--names", nargs="+", default=[], metavar="THEIRS=OURS", help="such as logits=cas")
    add("--activation", choices=ACTIVATIONS, default="logits", help="of cas (default: logits)")
    add("--background", choices=BACKGROUNDS, default="last", help="its column (default: last)")
    add("--step", type=float, default=0.64, help="seconds from row to row (default: 0.64)")
    add("--t0", type=float, default=0.0, help="seconds at which row 0 begins (default: 0)")
    add("--ground-truth", type=Path, help="annotations.json or ActivityNet JSON")
    add("--subset", help="subset to score, in the ground truth's own word")
    add("--ambiguous", type=Path, help="list of ambiguous segments, lines `video start end`")
    add("--protocol", help="name, YAML file or JSON of a protocol: prints the mAP")
    add("--output", type=Path, required=True, help="proposals.json, ActivityNet's format")
    add("--save-scores", type=Path, help="the scores as scores.h5 of this project")


def localize_scores(args: argparse.Namespace) -> None:
    truth = read_ground_truth(args.ground_truth, args.subset) if args.ground_truth else None
    if args.protocol and truth is None:
        raise WstalError("--protocol needs --ground-truth, the annotations to score against")
    method, settings, plain = _localization(args)
    scores, notes = read_given_scores(
        args.scores,
        _classes(args, truth),
        names=_names(args.names),
        activation=args.activation,
        background=args.background,
        step=args.step,
        t0=args.t0,
    )
    for note in notes:
        warn(note)
    try:
        found = method.localize(scores, settings)
    except KeyError as error:
        raise WstalError(
            f"the localization of {args.run} needs the array {error} of every video, which only "
            "the score files of its own runs have; choose the localization of another method"
        ) from error
    write_proposals(args.output, found, scores, plain)
    log(summary(scores, found))
    if args.save_scores:
        write_scores(args.save_scores, scores)
    if args.protocol:
        truth = truth.with_ambiguous(args.ambiguous) if args.ambiguous else truth
        protocol = fitting_protocol(args.protocol, (scores.step, scores.t0))
        rows = run_rows(truth, protocol, predictions={"given": args.output}, warn=warn)
        print(*(format_row(row) for row in rows if row["class"] == ALL), sep="\n")


def _localization(args: argparse.Namespace) -> tuple:
    """Return the localization half of a run's method, its settings, and those as a plain tree."""
    catalog = own_catalog()
    if args.dataset not in catalog.datasets:
        raise WstalError(
            f"dataset {args.dataset!r} is not known; known: {', '.join(catalog.datasets)}"
        )
    config = catalog.run_config(args.dataset, args.run)
    method = localization_half(config["method"])
    plain = merged(config["localize"], args.config)
    return method, from_plain(method.settings, plain), plain


def _classes(args: argparse.Namespace, truth) -> list[str]:
    if args.classes:
        lines = read_text(args.classes, "a class a line").split("\n")
        return [line.strip() for line in lines if line.strip()]
    return truth.classes if truth else []


def _names(pairs: list[str]) -> dict[str, str]:
    if odd := [pair for pair in pairs if pair.count("=") != 1]:
        raise WstalError(f"--names {odd[0]} is not THEIRS=OURS, such as logits=cas")
    return dict(pair.split("=") for pair in pairs)


COMMAND = Program(__doc__, add_arguments, localize_scores)
