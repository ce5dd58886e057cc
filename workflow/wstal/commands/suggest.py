"""Suggest which videos to annotate next, and which segments to check first.

Candidates are the videos for validation and test whose segments nobody marked, or whose classes
nobody named (an empty cell in labels.csv). Videos come in the order in which to annotate them:
each is uncertain and unlike those before it. Segments come from the most doubtful on: their
probability of being right is near 1/2. It is the calibrated one if calibration.json is there, else
the mean P(class) of their snippets. docs/own_data.md has the formulas.

--output writes the segments of these videos as CSV, with the probability as score; `wstal convert`
turns it into the file of an annotation tool, and with --merge what you corrected into segments.csv.

Examples:
  wstal suggest results/mine/co2net
  wstal suggest results/mine/co2net --videos 5 --output check.csv
"""

import argparse
from pathlib import Path

import pandas as pd

from wstal.commands.console import Add, Program, log
from wstal.base.errors import WstalError
from wstal.base.files import write_frame
from wstal.commands.finished_run import FinishedRun, find_run
from wstal.commands.scored_files import refuse_overwriting
from wstal.evaluate.calibration import read_calibration
from wstal.evaluate.detections import read_detections
from wstal.evaluate.suggestions import (
    WEIGHT,
    doubtful_segments,
    mean_probabilities,
    segment_probabilities,
    suggest_videos,
)
from wstal.localize.proposals import event_detections
from wstal.localize.scores import Scores, read_scores

LEAST = 0.2  # probability of a segment that is written for correction


def add_arguments(add: Add) -> None:
    add("run", type=Path, metavar="RUN", help="results/DATASET/RUN, as for `wstal compare`")
    add("--videos", type=int, default=10, help="suggested (default: 10)")
    add("--segments", type=int, default=20, help="shown (default: 20)")
    add("--weight", type=float, default=WEIGHT, help=f"of the uncertainty (default: {WEIGHT})")
    add("--output", type=Path, help="the segments of these videos, CSV for `wstal convert`")
    add("--min-score", type=float, default=LEAST, help=f"least probability there ({LEAST})")
    add("--table", type=Path, help="the videos, CSV")


def main(args: argparse.Namespace) -> None:
    if args.videos < 1:
        raise WstalError(f"--videos is {args.videos}; expected at least 1")
    run = find_run(args.run)
    refuse_overwriting("--output", args.output, [args.run, *run.files()])
    refuse_overwriting("--table", args.table, [args.run, *run.files()])
    seeds = [read_scores(path) for path in run.require("scores.h5")]
    states = _candidates(run, seeds)
    if not states:
        log("Every video that the run scored is annotated; there is nothing to suggest.")
        log("To add one, write a row with split test and an empty label, and run again.")
        return
    probabilities = {video: mean_probabilities(seeds, video) for video in states}
    videos = suggest_videos(probabilities, seeds[0].classes, args.videos, args.weight)
    videos.insert(2, "state", videos["video"].map(states))
    found = _segments(run, seeds[0], probabilities, set(videos["video"]))
    print(f"annotate next ({len(videos)} of {len(states)} candidates):")
    print(videos.to_string(index=False, float_format=lambda value: f"{value:.2f}"))
    print(f"\ncheck first ({min(args.segments, len(found))} of {len(found)} segments there):")
    shown = doubtful_segments(found).head(args.segments)
    print(shown.to_string(index=False, float_format=lambda value: f"{value:.2f}"))
    if args.table:
        write_frame(args.table, videos.round(4))
    if args.output:
        _write(args.output, found, videos["video"].tolist(), args.min_score)
        log(f"{args.output}: to correct it in a tool, `wstal convert {args.output} OUT`")


def _candidates(run: FinishedRun, seeds: list[Scores]) -> dict[str, str]:
    """The state of each scored video that nobody annotated or labelled."""
    open_videos = run.truth.unannotated | run.truth.unlabelled
    scored = [video for video in run.truth.subset if video in open_videos]
    without = [video for video in scored if any(video not in each.videos for each in seeds)]
    if without:
        log(f"{len(without)} videos have no scores and are left out, such as {without[0]}")
    return {
        video: "not labelled" if video in run.truth.unlabelled else "not annotated"
        for video in scored
        if video not in without
    }


def _segments(
    run: FinishedRun, scores: Scores, probabilities: dict, videos: set[str]
) -> pd.DataFrame:
    """The first seed's detections in `videos` with their probabilities of being right."""
    proposals, calibration = run.seeds[0] / "proposals.json", run.seeds[0] / "calibration.json"
    found = read_detections(proposals) if proposals.is_file() else event_detections(scores)
    found = found[found["video_id"].isin(videos)].reset_index(drop=True)
    if calibration.is_file() and proposals.is_file():
        probability = read_calibration(calibration, proposals).probability(found["score"])
    else:
        probability = segment_probabilities(found, probabilities, scores)
    columns = ["video_id", "t_start", "t_end", "label"]
    return found[columns].assign(probability=probability).rename(columns={"video_id": "video"})


def _write(path: Path, found: pd.DataFrame, videos: list[str], least: float) -> None:
    """Write the segments as segments.csv has them; of each video at least the likeliest one."""
    best = found.sort_values("probability", ascending=False, kind="stable")
    kept = best[(best["probability"] >= least) | ~best.duplicated("video")]
    order = kept["video"].map({video: rank for rank, video in enumerate(videos)})
    kept = kept.assign(rank=order).sort_values(["rank", "t_start"], kind="stable")
    kept = kept.rename(columns={"probability": "score"}).drop(columns="rank").round(4)
    write_frame(path, kept)


COMMAND = Program(__doc__, add_arguments, main)
