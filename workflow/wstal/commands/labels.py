"""Write a first labels.csv for a folder of videos, or check label files.

init   writes FOLDER/labels.csv with a row per video. The names of sub-folders become labels (or
       splits, where they are called train, val or test); otherwise you fill in the labels. The
       videos for testing are drawn with --seed.
check  prints the counts per class and split, then what cannot be used (ERROR) and what may be a
       slip (warning), each with its remedy. The status is 1 if there is an error.

Examples:
  wstal labels init clips
  wstal labels init clips --seed 1 --test-share 0.2
  wstal labels check clips
  wstal labels check clips --labels mine.json
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

from wstal.commands.console import Add, Program, log
from wstal.base.errors import MediaError, WstalError
from wstal.base.files import write_csv
from wstal.datasets.annotations import Annotations
from wstal.datasets.folder import BACKGROUND, read_own_labels, read_video_names
from wstal.datasets.label_check import (
    TEST_SHARE,
    class_counts,
    find_doubtful_labels,
    find_shared_content,
    propose_labels,
)
from wstal.datasets.report import markdown_table
from wstal.media.find import find_videos, spelling, videos_below
from wstal.media.recording import recording_print
from wstal.media.timeline import snippet_step

COLUMNS = ["video", "labels", "split"]
SHORTEST = snippet_step(25)  # s: one row of the default features
SHOWN = 20  # names in a finding


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
        raise WstalError(f"{labels} exists; check it with `wstal labels check`, or move it away")
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
    log(f"Then: wstal labels check {args.folder}")
    return 0


def _check(args: argparse.Namespace, labels: Path) -> int:
    segments = args.segments or args.folder / "segments.csv"
    given = segments if args.segments or segments.is_file() else None
    try:
        annotations, notes = read_own_labels(labels, given)
    except WstalError as error:
        print(f"ERROR: {error}")
        return 1
    head = ["class", "train", "val", "test", "segments"]
    print(markdown_table(head, class_counts(annotations)), end="\n\n")
    for note in notes:
        print(f"note: {note}")
    for finding in [
        *find_doubtful_labels(annotations),
        *_check_files(args.folder, annotations, read_video_names(labels)),
    ]:
        print(f"warning: {finding}")
    return 0


def _check_files(folder: Path, annotations: Annotations, names: dict[str, str]) -> Iterator[str]:
    found = find_videos(folder, annotations.database, names)
    files = {each.id: each.path for each in found if each.path}
    absent = [each for each in found if each.path is None]
    if absent:
        notes = "; ".join(f"{each.id}: {each.note}" for each in absent[:SHOWN])
        yield (
            f"{len(absent)} of {len(found)} rows have no video file ({notes}). Correct the names, "
            "add the files, or remove the rows."
        )
    others = sorted(set(videos_below(folder)) - set(files.values()))
    if others:
        shown = ", ".join(str(path.relative_to(folder)) for path in others[:SHOWN])
        yield f"{len(others)} videos have no row and are not used: {shown}. Add rows for them."
    prints = {}
    for video, path in files.items():
        try:
            prints[video] = recording_print(path)
        except MediaError as error:
            yield f"{video} is left out of a run ({error}). Replace the file."
    short = [f"{v} ({p[2]:.2f} s)" for v, p in prints.items() if 0 < p[2] < SHORTEST]
    if short:
        yield (
            f"{len(short)} videos are shorter than a row of features, {SHORTEST} s, and are left "
            f"out: {', '.join(short[:SHOWN])}. Remove them, or use longer cuts."
        )
    subsets = {video: entry["subset"] for video, entry in annotations.database.items()}
    yield from find_shared_content(prints, subsets)


COMMAND = Program(__doc__, add_arguments, main)
