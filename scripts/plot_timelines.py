"""Draw a timeline of every test video: ground truth on top, proposals below, scores between.

Examples:
  snakemake --cores 2 results/demo/co2net/timelines
"""

import sys
from pathlib import Path

from cli import parser, track
from wstal.base.array_store import safe_name
from wstal.base.errors import WstalError
from wstal.datasets.annotations import read_annotations
from wstal.evaluate.detections import read_detections
from wstal.localize.events import event_detections
from wstal.localize.scores import read_scores
from wstal.plots.style import save
from wstal.plots.timeline import plot_timeline


def main() -> None:
    """Parse and draw."""
    arguments = parser(__doc__)
    arguments.add_argument("--annotations", type=Path, required=True)
    arguments.add_argument("--scores", type=Path, required=True)
    arguments.add_argument("--proposals", type=Path, help="default: the likeliest class over time")
    arguments.add_argument("--note", default="", help="beside the title, e.g. demo data")
    arguments.add_argument("--output", type=Path, required=True, help="folder of SVG files")
    args = arguments.parse_args()
    try:
        annotations = read_annotations(args.annotations)
        scores = read_scores(args.scores)
        detections = read_detections(args.proposals) if args.proposals else event_detections(scores)
    except WstalError as error:
        sys.exit(f"{error}")
    truth = annotations.ground_truth("test")
    args.output.mkdir(parents=True, exist_ok=True)
    videos = [video for video in annotations.ids("test") if video in scores.videos]
    for video in track("timeline")(videos):
        figure = plot_timeline(video, scores, truth, detections, args.note)
        save(figure, args.output / f"{safe_name(video)}.svg")


if __name__ == "__main__":
    main()
