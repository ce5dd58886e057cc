"""Render a folder of short clips to try wstal on, with a person's answers.

Writes 27 clips of three actions, a few seconds each and one of them cut short, into FOLDER: your
camera's files, so to speak. What a person would give after watching them is in FOLDER/answers:

labels.csv                the actions of each clip, and the split; one clip is left open
segments.csv              the start and end of each action in 12 of the 14 test clips
export_label_studio.json  the same of the other two, as Label Studio would export it

docs/own_data.md goes on from there. The same seed gives the same files.

Examples:
  wstal demo-folder clips
  wstal demo-folder clips --seed 1 --jobs 2
"""

import argparse
import os
from functools import partial
from pathlib import Path

from wstal.commands.console import Add, Program, log, track
from wstal.base.errors import WstalError
from wstal.base.files import write_csv
from wstal.base.parallel import worker_pool
from wstal.demo.folder import folder_answers, plan_folder
from wstal.demo.videos import VideoPlan, render_video
from wstal.exchange.formats import format_named, write_files
from wstal.exchange.timelines import Timelines


def add_arguments(add: Add) -> None:
    add("folder", type=Path, metavar="FOLDER", help="new or empty")
    add("--seed", type=int, default=0, help="draws the clips (default: 0)")
    add("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: all cores)")


def main(args: argparse.Namespace) -> None:
    if args.folder.exists() and (not args.folder.is_dir() or any(args.folder.iterdir())):
        raise WstalError(f"{args.folder} is not an empty folder; name a new one")
    plans = plan_folder(args.seed)
    draw = partial(render_video, directory=args.folder)
    with worker_pool(max(args.jobs, 1)) as pool:
        done = pool.map(draw, plans)
        for _ in track("render")(plans):
            next(done)
    write_answers(args.folder / "answers", plans)
    log(f"{args.folder}: {len(plans)} clips; what a person would say of them: answers/")


def write_answers(folder: Path, plans: list[VideoPlan]) -> None:
    """Write what a person would give for the planned clips."""
    answers = folder_answers(plans)
    write_csv(folder / "labels.csv", list(answers.labels[0]), answers.labels)
    write_csv(folder / "segments.csv", list(answers.segments[0]), answers.segments)
    later = Timelines()
    for row in answers.later:
        later.add(*row.values())
    later.fps = {p.id: p.fps[0] / p.fps[1] for p in plans if p.id in later.videos}
    write_files(later, folder / "export_label_studio.json", format_named("label-studio"))


COMMAND = Program(__doc__, add_arguments, main)
