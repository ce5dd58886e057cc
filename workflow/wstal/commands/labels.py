"""Write a first labels.csv for a folder of videos, or check label files.

init   writes FOLDER/labels.csv with a row per video. The names of sub-folders become labels (or
       splits, where they are called train, val or test); otherwise you fill in the labels. The
       videos for testing are drawn with --seed.
check  prints the counts per class and split, then all that cannot be used (ERROR: a run stops) and
       what may be a slip (warning), each with its remedy. The status is 1 if there is an error.

Examples:
  wstal labels init clips
  wstal labels init clips --seed 1 --test-share 0.2
  wstal labels check clips
  wstal labels check clips --labels mine.json
"""

import argparse
import shlex
from pathlib import Path

from wstal.commands.console import Add, Program, log
from wstal.base.errors import WstalError
from wstal.base.files import write_csv
from wstal.datasets.folder import BACKGROUND, check_own_labels
from wstal.datasets.label_check import (
    TEST_SHARE,
    class_counts,
    find_doubtful_labels,
    propose_labels,
)
from wstal.datasets.report import markdown_table
from wstal.media.file_check import check_files
from wstal.media.find import spelling, videos_below

COLUMNS = ["video", "labels", "split"]


def add_arguments(add: Add) -> None:
    add("action", choices=("init", "check"))
    add("folder", type=Path, metavar="FOLDER", help="with the videos")
    add("--labels", type=Path, help="default: FOLDER/labels.csv")
    add("--segments", type=Path, help="default: FOLDER/segments.csv, if it is there")
    add("--seed", type=int, default=0, help="init: of the videos for testing (default: 0)")
    add("--test-share", type=float, default=TEST_SHARE, help=f"init (default: {TEST_SHARE})")


def main(args: argparse.Namespace) -> int:
    if not args.folder.is_dir():
        raise WstalError(f"{args.folder} is not a folder; name the folder of the videos")
    labels = args.labels or args.folder / "labels.csv"
    return _init(args, labels) if args.action == "init" else _check(args, labels)


def _init(args: argparse.Namespace, labels: Path) -> int:
    if labels.exists():
        command = _check_command(args)
        raise WstalError(f"{labels} exists; check it with `{command}`, or move it away")
    if not 0 < args.test_share < 1:
        raise WstalError(f"--test-share is {args.test_share}; expected a share between 0 and 1")
    names = [spelling(p.relative_to(args.folder).as_posix()) for p in videos_below(args.folder)]
    if not names:
        raise WstalError(f"{args.folder}: no video file below it; name the folder of the videos")
    rows = propose_labels(names, args.seed, args.test_share)
    write_csv(labels, COLUMNS, rows)
    counts = {split: sum(row["split"] == split for row in rows) for split in ("train", "test")}
    log(f"{labels}: {len(rows)} videos, {counts['train']} for training, {counts['test']} for test")
    open_rows = sum(not row["labels"] for row in rows)
    found = sorted({row["labels"] for row in rows} - {""})
    if found:
        log(f"Labels from the names of sub-folders: {', '.join(found)}. Correct what is wrong.")
    if open_rows:
        log(
            f"Fill in the labels of {open_rows} videos: names of the actions, separated by ';', "
            f"or {BACKGROUND} for a video that shows none of them."
        )
    log("To measure segments, write segments.csv beside it (video,t_start,t_end,label; seconds).")
    log(f"Then: {_check_command(args)}")
    return 0


def _check_command(args: argparse.Namespace) -> str:
    words = ["wstal", "labels", "check", args.folder]
    words += ["--labels", args.labels] if args.labels else []
    return shlex.join(map(str, words))


def _check(args: argparse.Namespace, labels: Path) -> int:
    segments = args.segments or args.folder / "segments.csv"
    given = segments if args.segments or segments.is_file() else None
    annotations, notes, mistakes = check_own_labels(labels, given)
    warnings = []
    if annotations.database:
        head = ["class", "train", "val", "test", "segments"]
        print(markdown_table(head, class_counts(annotations)), end="\n\n")
        checked = check_files(args.folder, annotations, labels, given)
        warnings = [*find_doubtful_labels(annotations, checked.unusable), *checked.warnings]
    for word, messages in (("ERROR", mistakes), ("note", notes), ("warning", warnings)):
        for message in messages:
            print(f"{word}: {message}")
    return 1 if mistakes else 0


COMMAND = Program(__doc__, add_arguments, main)
