"""AVE: ten-second clips with one audio-visual event, every choice counted.

A row of Annotations.txt is `category&video&quality&start&end`; the order files index its rows.
A video with several rows (other categories, same times) becomes several entries with one file.
Training also has clips that show background alone, as in the authors' weakly supervised code:
178 clips of which only the features are published, or videos that the user names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wstal.base.errors import WstalError
from wstal.base.hdf5_files import checked_dataset, open_hdf5
from wstal.base.text_files import read_text
from wstal.datasets.annotations import Annotations
from wstal.datasets.published_sets import FilesMissing, hash_files, make_segment
from wstal.datasets.report import Choice, Report, Tally

DURATION = 10.0  # seconds, of every clip
ROWS = "Annotations.txt"
ORDERS = {"train": "train_order.h5", "val": "val_order.h5", "test": "test_order.h5"}
SETS = {"train": "trainSet.txt", "val": "valSet.txt", "test": "testSet.txt"}
NOISY = "labels_noisy.h5"
LISTED = "background_clips.txt"
CHOICES = (
    Choice(
        "split",
        "the text files and the order files of the split differ for clips with two events",
        {
            "auto": "order files if they are there, else text files",
            "order": "train_order.h5, val_order.h5, test_order.h5",
            "text": "trainSet.txt, valSet.txt, testSet.txt",
        },
    ),
    Choice(
        "shared_videos",
        "training rows whose video is a validation or test clip too, under another category",
        {"keep": "train on them, as every published number does", "drop_train": "leave them out"},
    ),
    Choice(
        "repeated_videos",
        "a video with several rows cannot be one entry",
        {"number": "the later rows are {id}.2, {id}.3 and share the file"},
    ),
    Choice(
        "zero_length",
        "a row from 0 to 0 s is background throughout; it keeps its category",
        {"drop": "no segment"},
    ),
    Choice(
        "background_clips",
        "the ids of the 178 training clips of background alone are lost; their features remain",
        {
            "auto": f"videos if {LISTED} is there, else features if {NOISY} is",
            "features": "of published features only (visual_feature_noisy.h5, audio_...)",
            "videos": f"those that {LISTED} names, an id a line, such as the author's new 178",
            "leave_out": "not in the database",
        },
    ),
)


@dataclass(frozen=True)
class Row:
    """One line of Annotations.txt."""

    category: str
    video: str
    start: float
    end: float


def read_ave(
    files: Sequence[Path], wanted: Mapping[str, str], facts: Mapping[str, Any]
) -> tuple[Annotations, Report]:
    """Read AVE from Annotations.txt and the split's files among `files`.

    `wanted` overrides the defaults of CHOICES; `facts` may have `classes`, whose order is the
    index order. Raises FilesMissing for a missing file, WstalError for one that does not fit the
    others.
    """
    tally = Tally(CHOICES, wanted)
    named = {path.name: path for path in files}
    if ROWS not in named:
        raise FilesMissing(f"no {ROWS} among the files")
    rows, header = read_rows(named[ROWS])
    splits, used, notes = _read_splits(named, rows, tally)
    split_of = {index: split for split, indices in splits.items() for index in indices}
    database = _make_database(rows, split_of, tally)
    report = Report(f"AVE, {ROWS}, split by {tally.values['split']} files", notes=notes)
    report.files = hash_files([named[ROWS], *used])
    report.notes.insert(0, f"{len(rows)} rows, {'one' if header else 'no'} header line.")
    clips = _read_background_clips(named, database, tally)
    report.files |= hash_files([named[name] for name in (NOISY, LISTED) if name in named])
    if clips:
        report.notes.append(f"{len(clips)} of the training clips are background alone.")
    classes = list(dict.fromkeys(row.category for row in rows))
    if expected := facts.get("classes"):
        if set(classes) != set(expected):
            raise WstalError(f"{named[ROWS]}: the categories are not AVE's {len(expected)}")
        classes = list(expected)
    report.decisions = tally.decisions()
    return Annotations(classes, database | clips, _make_lists(database)), report


def read_rows(path: Path) -> tuple[list[Row], bool]:
    """Return the rows of Annotations.txt or of a set file, and whether it has a header line.

    Raises WstalError that names a line without five fields, or without times.
    """
    lines = read_text(path, f"the lines of {ROWS}").split("\n")
    header = bool(lines) and lines[0].lower().startswith("category&")
    rows = []
    for number, line in enumerate(lines[header:], 1 + header):
        fields = line.split("&")
        if not line.strip():
            continue
        if len(fields) != 5:
            raise WstalError(
                f"{path}, line {number}: {line!r} does not have five fields joined by &"
            )
        start, end, _ = make_segment(fields[3], fields[4], fields[0], f"{path}, line {number}")
        rows.append(Row(fields[0].strip(), fields[1].strip(), start, end))
    return rows, header


def _read_splits(
    named: Mapping[str, Path], rows: Sequence[Row], tally: Tally
) -> tuple[dict[str, list[int]], list[Path], list[str]]:
    orders = {split: named[name] for split, name in ORDERS.items() if name in named}
    sets = {split: named[name] for split, name in SETS.items() if name in named}
    if tally.values["split"] == "auto":
        tally.values["split"] = "order" if len(orders) == 3 or len(sets) < 3 else "text"
    wanted, names = (orders, ORDERS) if tally.values["split"] == "order" else (sets, SETS)
    if absent := [name for split, name in names.items() if split not in wanted]:
        raise FilesMissing(f"AVE's split is unknown: {', '.join(absent)} not among the files")
    by_order = {s: _read_array(path, "order").tolist() for s, path in orders.items()}
    by_text = {s: _find_rows(path, rows) for s, path in sets.items()}
    splits = by_order if tally.values["split"] == "order" else by_text
    notes = []
    if len(by_order) == len(by_text) == 3:
        moved = sum(len(set(by_order[s]) ^ set(by_text[s])) for s in by_order)
        notes.append(f"Order files and text files put {moved} rows into different splits.")
    flat = [index for indices in splits.values() for index in indices]
    if len(flat) != len(set(flat)) or not set(flat) <= set(range(len(rows))):
        raise WstalError(f"the split's files name a row twice, or one beyond the {len(rows)} rows")
    if left := len(rows) - len(flat):
        notes.append(f"{left} rows are in no split and left out.")
    return splits, list(wanted.values()), notes


def _read_array(path: Path, key: str) -> np.ndarray:
    try:
        with open_hdf5(path) as file:
            return checked_dataset(file, key)[:]
    except (OSError, KeyError) as error:
        raise WstalError(f"{path} has no dataset {key!r} ({error}); fetch it again") from error


def _find_rows(path: Path, rows: Sequence[Row]) -> list[int]:
    places: dict[tuple[str, str], int] = {(r.category, r.video): i for i, r in enumerate(rows)}
    found = [places.get((row.category, row.video)) for row in read_rows(path)[0]]
    if None in found:
        raise WstalError(f"{path} has {found.count(None)} rows that are not in {ROWS}")
    return found


def _make_database(
    rows: Sequence[Row], split_of: Mapping[int, str], tally: Tally
) -> dict[str, dict[str, Any]]:
    evaluated = {rows[index].video for index, split in split_of.items() if split != "train"}
    seen: dict[str, int] = {}
    database = {}
    for index, row in enumerate(rows):
        number = seen[row.video] = seen.get(row.video, 0) + 1
        name = row.video if number == 1 else f"{row.video}.{number}"
        if number > 1:
            tally.add("repeated_videos", name)
        if index not in split_of:
            continue
        if split_of[index] == "train" and row.video in evaluated:
            tally.add("shared_videos", name)
            if tally.values["shared_videos"] == "drop_train":
                continue
        if row.end <= row.start:
            tally.add("zero_length", name)
        some = row.end > row.start
        database[name] = {
            "subset": split_of[index],
            "file": row.video,
            "row": index,  # of the published feature files
            "duration": DURATION,
            "labels": [row.category],
            "annotations": [{"segment": [row.start, row.end], "label": row.category}] * some,
        }
    return database


def _read_background_clips(
    named: Mapping[str, Path], database: Mapping[str, Any], tally: Tally
) -> dict[str, dict[str, Any]]:
    """The training clips without a class; `features_only` marks those without a video file."""
    listed, noisy = named.get(LISTED), named.get(NOISY)
    wanted = tally.values["background_clips"]
    if wanted == "auto":
        wanted = "videos" if listed else "features" if noisy else "leave_out"
        tally.values["background_clips"] = wanted
    missing = {"features": (noisy, NOISY), "videos": (listed, LISTED)}.get(wanted, (True, ""))
    if not missing[0]:
        raise FilesMissing(f"choices.background_clips is {wanted}: no {missing[1]} among the files")
    clips: dict[str, dict[str, Any]] = {}
    if wanted == "videos":
        for line in filter(None, map(str.strip, read_text(listed, "an id a line").split("\n"))):
            clips[line] = {"file": line}
    if wanted == "features":
        for row in range(len(_read_array(noisy, "avadataset"))):
            clips[f"background_{row:03d}"] = {"row": row, "features_only": True}
    if both := sorted(set(clips) & set(database)):
        raise WstalError(f"{listed}: {both[0]} is an annotated clip of AVE; it shows an event")
    for name, about in clips.items():
        tally.add("background_clips", name)
        about |= {"subset": "train", "duration": DURATION, "labels": [], "annotations": []}
    return clips


def _make_lists(database: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """Test lists named by size: the test set, and test with validation as CAVF counts it."""
    test = [video for video, entry in database.items() if entry["subset"] == "test"]
    both = [video for video, entry in database.items() if entry["subset"] in ("val", "test")]
    train = {entry["file"] for entry in database.values() if entry["subset"] == "train"}
    unshared = [video for video in test if database[video]["file"] not in train]
    return {
        f"ave_test{len(test)}": test,
        f"ave_test{len(both)}": both,
        "ave_test_unshared": unshared,
    }
