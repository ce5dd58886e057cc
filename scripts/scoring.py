"""Arguments that the scoring scripts share: what is scored, and by which protocol."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pandas as pd
from cli import parser
from wstal.evaluate.ground_truth import GroundTruth, read_ground_truth, read_usable
from wstal.evaluate.protocols import Protocol, unscored
from wstal.evaluate.run_rows import known_detections, score_grid


def scoring_parser(docstring: str, protocol: bool = True) -> argparse.ArgumentParser:
    """A parser for ground truth, subset, ambiguous list, coverage, grid and protocol."""
    arguments = parser(docstring)
    add = arguments.add_argument
    add("--ground-truth", type=Path, required=True, help="annotations.json or ActivityNet JSON")
    add("--subset", help="subset to score, in the ground truth's own word")
    add("--ambiguous", type=Path, help="list of ambiguous segments, lines `video start end`")
    add("--coverage", type=Path, help="coverage.csv: which videos have features (default: all)")
    add("--step", type=float, help="of the features, s; refuses snippets of another length")
    add("--t0", type=float, help="of the features, s; refuses snippets if it is not 0")
    if protocol:
        add("--protocol", required=True, help="name, YAML file or JSON of a protocol")
    return arguments


def read_truth(args: argparse.Namespace) -> tuple[GroundTruth, set[str] | None]:
    """The ground truth, and the ids of videos with features (None: all)."""
    truth = read_ground_truth(args.ground_truth, args.subset)
    if args.ambiguous:
        truth = truth.with_ambiguous(args.ambiguous)
    return truth, read_usable(args.coverage) if args.coverage else None


def features_grid(args: argparse.Namespace) -> tuple[float | None, float | None]:
    """Step and t0 of the features, s: as given, else as the score file says, else not known."""
    scores = getattr(args, "scores", None)
    if args.step is None and args.t0 is None and scores:
        return score_grid(scores)
    return args.step, args.t0


def tell(line: str) -> None:
    """A warning, to stderr."""
    print(f"warning: {line}", file=sys.stderr)


def read_found(truth: GroundTruth, protocol: Protocol, path: Path) -> pd.DataFrame:
    """Detections of a file; says how many the protocol leaves out."""
    found = known_detections(truth, path)
    if line := unscored(truth, protocol, found):
        tell(f"{path}: {line}")
    return found
