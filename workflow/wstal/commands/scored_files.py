"""Read what the arguments of the scoring commands name: ground truth and grid."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

from wstal.base.errors import WstalError
from wstal.evaluate.events import read_score_grid
from wstal.evaluate.ground_truth import GroundTruth, read_ground_truth, read_usable


def read_truth(args: argparse.Namespace) -> tuple[GroundTruth, set[str] | None]:
    """Read the ground truth, and the ids of videos with features (None: all)."""
    truth = read_ground_truth(args.ground_truth, args.subset)
    if args.ambiguous:
        truth = truth.with_ambiguous(args.ambiguous)
    scored = [video for video, subset in truth.subset.items() if subset in ("val", "test")]
    return truth, read_usable(args.coverage, scored) if args.coverage else None


def refuse_overwriting(option: str, output: Path | None, inputs: Iterable[Path | None]) -> None:
    """Raise WstalError if an output is one of the inputs, by whatever path: it would be lost."""
    if output is None or not output.exists():
        return
    for path in inputs:
        if path is not None and path.exists() and path.samefile(output):
            raise WstalError(
                f"{option} {output} is an input ({path}), which it would replace; name another file"
            )


def scoring_inputs(args: argparse.Namespace) -> list[Path | None]:
    """Return the files that `add_ground_truth` and `add_protocol` name."""
    protocol = Path(args.protocol) if args.protocol and args.protocol[:1] != "{" else None
    return [args.ground_truth, args.ambiguous, args.coverage, protocol]


def features_grid(
    args: argparse.Namespace, scores: Path | None = None
) -> tuple[float | None, float | None]:
    """Return step and t0 of the features, s: as given, else from the score file, else unknown."""
    if args.step is None and args.t0 is None and scores:
        return read_score_grid(scores)
    return args.step, args.t0
