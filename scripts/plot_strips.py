"""Draw attention or class activation of several runs as strips under annotated segments.

The videos are chosen by their annotation alone, or where the last run's segments lose most
average precision against the first run's; the titles then give both.

Examples:
  snakemake --cores 2 results/figures/co2net_figure5.on_demo.svg
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from wstal.commands.console import Add, Program, json_argument
from wstal.base.errors import WstalError
from wstal.datasets.annotations import read_annotations
from wstal.evaluate.average_precision import detection_map
from wstal.evaluate.detections import read_detections
from wstal.evaluate.ground_truth import read_durations
from wstal.localize.proposals import event_detections
from wstal.localize.scores import read_scores
from wstal.plots.over_time import plot_strips, typical_videos
from wstal.plots.style import save

TIOUS = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]


def add_arguments(add: Add) -> None:
    add("--annotations", type=Path, required=True)
    add("--manifest", type=Path, required=True, help="durations")
    add("--scores", type=Path, nargs="+", required=True, help="one per run")
    add("--proposals", type=Path, nargs="*", default=[], help="default: the likeliest class")
    add("--names", type=json_argument, required=True, help="JSON list, as --scores")
    add("--videos", type=int, default=2, help="how many")
    add("--skip", type=int, default=0, help="pass over the first so many")
    add("--classes", type=json_argument, default=[], help="JSON list: a video of each comes first")
    add("--shows", choices=("attention", "class", "attended"), default="attention")
    add("--chosen", choices=("annotation", "loss"), default="annotation", help="which videos")
    add("--segments", action="store_true", help="draw the predicted segments below each strip")
    add("--title", default="")
    add("--output", type=Path, nargs="+", required=True, help="SVG, PNG, ...")


def main(args: argparse.Namespace) -> None:
    truth = read_annotations(args.annotations).ground_truth("test")
    runs = dict(zip(args.names, map(read_scores, args.scores), strict=True))
    scored = truth[truth["video_id"].isin(next(iter(runs.values())).videos)]
    if scored.empty:
        raise WstalError(f"{args.annotations}: no scored test video has segments; strips need them")
    detections = dict(zip(args.names, map(read_detections, args.proposals), strict=False))
    if not detections and (args.segments or args.chosen == "loss"):
        detections = {name: event_detections(scores) for name, scores in runs.items()}
    remarks, count = {}, args.skip + args.videos
    if args.chosen == "loss":
        remarks = losses(scored, detections, args.names[0], args.names[-1])
        videos = list(remarks)[args.skip : count]
    else:
        durations = read_durations(args.manifest)
        videos = typical_videos(scored, durations, count, args.classes)[args.skip :]
    if not videos:
        raise WstalError(
            f"{args.annotations}: no more than {args.skip} videos have segments to show"
        )
    shown = detections if args.segments else None
    for path in args.output:
        figure = plot_strips(
            runs, scored, videos, args.title, args.shows, detections=shown, remarks=remarks
        )
        save(figure, path)


def losses(
    truth: pd.DataFrame, detections: Mapping[str, pd.DataFrame], first: str, last: str
) -> dict[str, str]:
    """Return {video: what it loses from the first run to the last}, the largest loss first."""
    found = {}
    for video, own in truth.groupby("video_id"):
        parts = (detections[name][detections[name]["video_id"] == video] for name in (first, last))
        before, after = (detection_map(own, part, TIOUS)["map"].mean() for part in parts)
        found[video] = (after - before, f"AP {100 * before:.0f} → {100 * after:.0f}")
    return {video: text for video, (_, text) in sorted(found.items(), key=lambda item: item[1][0])}


if __name__ == "__main__":
    Program(__doc__, add_arguments, main).run()
