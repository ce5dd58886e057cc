"""The probability that each detection of a seed is right: calibration.json and segments.csv.

Fitted on annotated validation videos, or on test videos where there are none; the file says which.

Examples:
  python scripts/calibrate.py --ground-truth results/demo/annotations.json --protocol demo \\
      --predictions seed0/proposals.json --scores seed0/scores.h5 --output calibration.json \\
      --segments segments.csv
"""

import argparse
from dataclasses import asdict
from pathlib import Path

from wstal.commands.console import Add, Program, add_ground_truth, add_protocol, log, warn
from wstal.base.files import write_frame, write_json
from wstal.base.user_files import file_sha256
from wstal.commands.scored_files import features_grid, read_truth
from wstal.config.protocols import fitting_protocol
from wstal.evaluate.calibration import (
    calibration_set,
    describe,
    fit_calibration,
    right_detections,
)
from wstal.evaluate.map_table import read_scored_detections
from wstal.localize.scores import read_scores

COLUMNS = ["video_id", "t_start", "t_end", "label", "score", "probability"]
COLUMNS += ["video_probability", "rank"]


def add_arguments(add: Add) -> None:
    add_ground_truth(add)
    add_protocol(add)
    add("--predictions", type=Path, required=True, help="proposals.json")
    add("--scores", type=Path, required=True, help="scores.h5 of the same seed")
    add("--output", type=Path, required=True, help="output: calibration.json")
    add("--segments", type=Path, required=True, help="output: all segments as CSV")


def main(args: argparse.Namespace) -> None:
    protocol = fitting_protocol(args.protocol, features_grid(args))
    truth, usable = read_truth(args)
    found = read_scored_detections(truth, protocol, args.predictions, warn)
    subset, prepared = calibration_set(truth, found, protocol, usable)
    fitted = fit_calibration(*right_detections(prepared), subset)
    scores = read_scores(args.scores)
    probabilities = {
        video: dict(zip(scores.classes, own.video_score.tolist(), strict=True))
        for video, own in scores.videos.items()
    }
    segments = describe(found, fitted, probabilities)[COLUMNS]
    write_frame(args.segments, segments.rename(columns={"video_id": "video"}), "%.6g")
    about = {"proposals": file_sha256(args.predictions), "protocol": protocol.name}
    write_json(args.output, asdict(fitted) | about)
    log(
        f"{fitted.right} of {fitted.detections} detections of {subset} videos are right at tIoU "
        f"{fitted.tiou:g}"
    )


if __name__ == "__main__":
    Program(__doc__, add_arguments, main).run()
