"""Score detections or scores under a protocol, and print the means.

With --output it writes map.csv. It works on this project's files and on those of any tool, in
ActivityNet's format or as CSV: video,t_start,t_end,label,score (ground truth without a score).
`wstal convert` reads and writes other formats.

Examples:
  wstal evaluate --list-protocols
  wstal evaluate --ground-truth segments.csv --predictions detections.csv --protocol folder \\
      --per-class
  wstal evaluate --ground-truth gt.json --predictions detections.json \\
      --protocol activitynet
  wstal evaluate --ground-truth thumos14.json --ambiguous Ambiguous_test.txt \\
      --predictions detections.json --protocol th14_212_snippets_filter --output map.csv
  wstal evaluate --ground-truth results/mine/annotations.json --protocol folder \\
      --scores results/mine/i3d_tvl1/co2net/seed0/scores.h5
  wstal evaluate --ground-truth results/ave/annotations.json --protocol ave \\
      --scores seed0/scores.h5 --scores-by-iteration seed0/scores_by_iteration.h5
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

from wstal.commands.console import Add, Program, add_ground_truth, add_protocol, log, warn
from wstal.base.files import write_csv
from wstal.base.hdf5_files import open_hdf5
from wstal.base.provenance import settings_digest, write_provenance
from wstal.commands.scored_files import (
    features_grid,
    read_truth,
    refuse_overwriting,
    scoring_inputs,
)
from wstal.config.protocols import (
    all_protocols,
    fitting_paper,
    read_protocol,
    require_suited,
)
from wstal.evaluate.map_table import ALL, COLUMNS, class_table, format_row, run_rows
from wstal.evaluate.protocols import Checkpoint, Protocol, find_lack, find_list_problems


def add_arguments(add: Add) -> None:
    add_ground_truth(add)
    add_protocol(add)
    add("--list-protocols", action=ListProtocols, help="print the known protocols and exit")
    add("--predictions", type=Path, help="detections: proposals.json, ActivityNet JSON or CSV")
    add("--checkpoint", default="last", help="what to call these predictions (default: last)")
    add("--scores", type=Path, help="scores.h5, for video-level mAP or events")
    add("--scores-by-iteration", type=Path, help="adds best_val and best_test of events")
    add("--proposals-by-iteration", type=Path, help="adds best_val and best_test")
    add("--paper-protocol", help="that a paper scored by: name, file or JSON")
    add("--paper-checkpoint", choices=get_args(Checkpoint), default="last", help="under it")
    add("--constant-attention", type=Path, help="proposals of that baseline")
    add("--per-class", action="store_true", help="print the classes, too, the best first")
    add("--output", type=Path, help="map.csv; map.provenance.json beside it has digests")
    add("--code", default="", help="code digest, recorded")


class ListProtocols(argparse.Action):
    """Prints every protocol, needs no other argument, and ends the program, as --help does."""

    def __init__(self, option_strings: list[str], dest: str, help: str) -> None:
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *args: object) -> None:
        known = all_protocols()
        width = max(len(each.name) for each in known)
        print("\n".join(f"{each.name:<{width}}  {each.title}" for each in known))
        parser.exit()


def evaluate(args: argparse.Namespace) -> None:
    def unsuited(protocol: Protocol) -> str:
        if protocol.task == "events" and not args.scores:
            return f"protocol {protocol.name} scores events: give scores.h5 (--scores)"
        return protocol.misfit(*grid) or find_lack(truth, protocol)

    refuse_overwriting("--output", args.output, _files(args))
    given = {args.checkpoint: args.predictions, "constant_attention": args.constant_attention}
    (truth, usable), grid = read_truth(args), features_grid(args, args.scores)
    protocol = require_suited(
        args.protocol, unsuited, lambda protocol: bool(find_list_problems(truth, protocol))
    )
    rows = run_rows(
        truth,
        protocol,
        usable=usable,
        predictions={name: path for name, path in given.items() if path},
        history=args.proposals_by_iteration,
        scores=args.scores,
        score_history=args.scores_by_iteration,
        paper=fitting_paper(args.paper_protocol, grid, warn),
        paper_checkpoint=args.paper_checkpoint,
        warn=warn,
    )
    for row in (row for row in rows if row["class"] == ALL):
        print(format_row(row))
        if row["predictions"] == 0:
            log("  no detection in any scored video: scored 0")
    if args.per_class:
        own = [row for row in rows if row["protocol"] == protocol.name]
        first = own[0]["checkpoint"]
        metric = f"mAP@{protocol.select}"
        if not any(row["metric"] == metric for row in own):
            metric = own[0]["metric"]
        print(class_table([row for row in own if row["checkpoint"] == first], metric))
    if args.output:
        write_csv(args.output, COLUMNS, rows)
        facts = {"protocols": _protocols(args), "training": _training(args.scores)}
        write_provenance(args.output, args.code, _inputs(args), **facts)


def _files(args: argparse.Namespace) -> list[Path | None]:
    """Return every file that is read."""
    found = [args.predictions, args.proposals_by_iteration, args.constant_attention]
    return [*scoring_inputs(args), *found, args.scores, args.scores_by_iteration]


def _inputs(args: argparse.Namespace) -> dict[str, list[Path | None]]:
    """Return what the numbers were made from, with checkpoint and features of a run of the DAG."""
    folder = args.output.parent
    recipe = folder.absolute().parent.parent
    made = {"checkpoint": folder / "checkpoint.pt", "features": recipe / "features.h5"}
    found = {name: [path] for name, path in made.items() if path.is_file()}
    scored = (args.predictions, args.proposals_by_iteration, args.constant_attention)
    return {
        "ground_truth": [args.ground_truth],
        "coverage": [args.coverage],
        "predictions": list(scored),
        "scores": [args.scores, args.scores_by_iteration],
        **found,
    }


def _training(scores: Path | None) -> dict[str, Any]:
    """Return seed, code, config and versions of the training behind scores of a run."""
    if scores is None:
        return {}
    with open_hdf5(scores) as file:
        about = json.loads(file.attrs.get("provenance_json", "{}"))
    if "config" in about:
        about["config"] = settings_digest(about["config"])
    return {key: about[key] for key in ("seed", "code", "config", "versions") if key in about}


def _protocols(args: argparse.Namespace) -> list[dict[str, str]]:
    named = [read_protocol(text) for text in (args.protocol, args.paper_protocol) if text]
    return [{"name": each.name, "sha256": settings_digest(asdict(each))} for each in named]


COMMAND = Program(__doc__, add_arguments, evaluate)
