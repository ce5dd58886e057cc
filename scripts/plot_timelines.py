"""Draw a timeline of every test video: ground truth on top, proposals below, scores between.

Examples:
  snakemake --cores 2 results/demo/co2net/timelines
"""

import argparse
from pathlib import Path

from wstal.commands.console import Add, Program, track
from wstal.base.array_store import safe_name
from wstal.datasets.annotations import read_annotations
from wstal.evaluate.detections import read_detections
from wstal.localize.proposals import event_detections
from wstal.localize.scores import read_scores
from wstal.plots.over_time import plot_timeline
from wstal.plots.style import save


def add_arguments(add: Add) -> None:
    add("--annotations", type=Path, required=True)
    add("--scores", type=Path, required=True)
    add("--proposals", type=Path, help="default: the likeliest class over time")
    add("--note", default="", help="beside the title, e.g. demo data")
    add("--output", type=Path, required=True, help="folder of SVG files")


def main(args: argparse.Namespace) -> None:
    annotations = read_annotations(args.annotations)
    scores = read_scores(args.scores)
    detections = read_detections(args.proposals) if args.proposals else event_detections(scores)
    truth = annotations.ground_truth("test")
    args.output.mkdir(parents=True, exist_ok=True)
    videos = [video for video in annotations.ids("test") if video in scores.videos]
    for video in track("timeline")(videos):
        figure = plot_timeline(video, scores, truth, detections, args.note)
        save(figure, args.output / f"{safe_name(video)}.svg")


if __name__ == "__main__":
    Program(__doc__, add_arguments, main).run()
