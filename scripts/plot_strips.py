"""Draw attention or class activation of several runs as strips under annotated segments.

The videos are chosen by their annotation alone.

Examples:
  snakemake --cores 2 results/figures/co2net_figure5.on_demo.svg
"""

import argparse
from pathlib import Path

from wstal.commands.console import Add, Program, json_argument
from wstal.base.errors import WstalError
from wstal.datasets.annotations import read_annotations
from wstal.evaluate.ground_truth import read_durations
from wstal.localize.scores import read_scores
from wstal.plots.over_time import plot_strips, typical_videos
from wstal.plots.style import save


def add_arguments(add: Add) -> None:
    add("--annotations", type=Path, required=True)
    add("--manifest", type=Path, required=True, help="durations")
    add("--scores", type=Path, nargs="+", required=True, help="one per run")
    add("--names", type=json_argument, required=True, help="JSON list, as --scores")
    add("--videos", type=int, default=2, help="how many")
    add("--skip", type=int, default=0, help="pass over the first so many")
    add("--shows", choices=("attention", "class"), default="attention")
    add("--title", default="")
    add("--output", type=Path, nargs="+", required=True, help="SVG, PNG, ...")


def main(args: argparse.Namespace) -> None:
    truth = read_annotations(args.annotations).ground_truth("test")
    runs = dict(zip(args.names, map(read_scores, args.scores), strict=True))
    scored = truth[truth["video_id"].isin(next(iter(runs.values())).videos)]
    if scored.empty:
        raise WstalError(f"{args.annotations}: no scored test video has segments; strips need them")
    durations = read_durations(args.manifest)
    videos = typical_videos(scored, durations, args.skip + args.videos)[args.skip :]
    if not videos:
        raise WstalError(
            f"{args.annotations}: no more than {args.skip} videos have segments to show"
        )
    for path in args.output:
        save(plot_strips(runs, scored, videos, args.title, args.shows), path)


if __name__ == "__main__":
    Program(__doc__, add_arguments, main).run()
