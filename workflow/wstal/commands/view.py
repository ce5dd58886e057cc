"""Write a page that plays every test video with its timelines.

The page is one HTML file that needs no server and no network. Videos below the working folder are
addressed relative to the page, so that the project may move as a whole.

Examples:
  snakemake --cores 2 results/demo/co2net/viewer.html
  wstal view --ground-truth annotations.json --protocol activitynet \\
      --predictions detections.json --output viewer.html
"""

import argparse
from pathlib import Path

from wstal.commands.console import (
    Add,
    Program,
    add_ground_truth,
    add_protocol,
    json_argument,
    track,
)
from wstal.base.files import read_table, write_text
from wstal.commands.scored_files import features_grid, read_truth
from wstal.config.protocols import fitting_protocol
from wstal.evaluate.detections import read_detections
from wstal.evaluate.map_table import COLUMNS
from wstal.localize.scores import read_scores
from wstal.viewer.content import SHOWN, Material, sound_files, viewer_content
from wstal.viewer.page import viewer_page


def add_arguments(add: Add) -> None:
    add_ground_truth(add)
    add_protocol(add)
    add("--predictions", type=Path, help="detections (default: the likeliest class over time)")
    add("--scores", type=Path, help="scores.h5: class activation and attention")
    add("--manifest", type=Path, help="manifest.csv: where the videos are")
    add("--sound", type=Path, nargs="*", default=[], help="manifests of the audio stage's shards")
    add("--map", type=Path, help="map.csv of the seed, for the numbers on top")
    add("--about", type=json_argument, default={}, help="JSON: title, run, recipe, seed, note")
    add("--videos", type=int, default=SHOWN, help=f"shown at most (default: {SHOWN})")
    add("--output", type=Path, required=True, help="the page, HTML")


def rows_by_id(path: Path | None) -> dict[str, dict[str, str]]:
    """Read the rows of a CSV file by their id; none without a file."""
    return {row["id"]: row for row in read_table(path, ("id",))} if path else {}


def write_page(args: argparse.Namespace) -> None:
    truth, usable = read_truth(args)
    material = Material(
        args.about,
        truth,
        fitting_protocol(args.protocol, features_grid(args, args.scores)),
        usable=usable,
        scores=read_scores(args.scores) if args.scores else None,
        found=read_detections(args.predictions) if args.predictions else None,
        sounds=sound_files(args.sound),
        manifest=rows_by_id(args.manifest),
        coverage=rows_by_id(args.coverage),
        measured=read_table(args.map, COLUMNS, key=None) if args.map else [],
    )
    content = viewer_content(material, args.output, Path.cwd(), args.videos, track("viewer"))
    title = " · ".join(str(args.about[k]) for k in ("title", "run", "note") if args.about.get(k))
    write_text(args.output, viewer_page(content, title or "Timelines"))


COMMAND = Program(__doc__, add_arguments, write_page)
