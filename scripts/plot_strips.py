"""Draw attention or class activation of several runs as strips under annotated segments.

The videos are chosen by their annotation alone.

Examples:
  snakemake --cores 2 results/figures/co2net_figure5.on_demo.svg
"""

import sys
from pathlib import Path

from cli import json_argument, parser
from wstal.base.errors import WstalError
from wstal.datasets.annotations import read_annotations
from wstal.evaluate.ground_truth import read_durations
from wstal.localize.scores import read_scores
from wstal.plots.strips import plot_strips, typical_videos
from wstal.plots.style import save


def main() -> None:
    """Parse, choose, draw."""
    arguments = parser(__doc__)
    arguments.add_argument("--annotations", type=Path, required=True)
    arguments.add_argument("--manifest", type=Path, required=True, help="durations")
    arguments.add_argument("--scores", type=Path, nargs="+", required=True, help="one per run")
    arguments.add_argument(
        "--names", type=json_argument, required=True, help="JSON list, as --scores"
    )
    arguments.add_argument("--videos", type=int, default=2, help="how many")
    arguments.add_argument("--skip", type=int, default=0, help="pass over the first so many")
    arguments.add_argument("--shows", choices=("attention", "class"), default="attention")
    arguments.add_argument("--title", default="")
    arguments.add_argument("--output", type=Path, nargs="+", required=True, help="SVG, PNG, ...")
    args = arguments.parse_args()
    try:
        truth = read_annotations(args.annotations).ground_truth("test")
        runs = dict(zip(args.names, map(read_scores, args.scores), strict=True))
    except WstalError as error:
        sys.exit(f"{error}")
    scored = truth[truth["video_id"].isin(next(iter(runs.values())).videos)]
    if scored.empty:
        sys.exit(f"{args.annotations}: no scored test video has segments; strips need them")
    durations = read_durations(args.manifest)
    videos = typical_videos(scored, durations, args.skip + args.videos)[args.skip :]
    if not videos:
        sys.exit(f"{args.annotations}: no more than {args.skip} videos have segments to show")
    for path in args.output:
        save(plot_strips(runs, scored, videos, args.title, args.shows), path)


if __name__ == "__main__":
    main()
