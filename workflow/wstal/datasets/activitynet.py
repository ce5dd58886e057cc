"""ActivityNet 1.2 and 1.3: the official database or a reduced copy, every choice counted.

The test labels are withheld, so the field trains on `training` and tests on `validation`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from wstal.base.errors import WstalError
from wstal.datasets.annotations import Annotations
from wstal.datasets.published_sets import (
    FilesMissing,
    LabelledVideo,
    PublishedSet,
    hash_files,
    numpy_folders,
    read_database,
    read_id_lists,
    read_numpy_set,
)
from wstal.datasets.report import REPEATED, Choice, Report, Tally

SUBSETS = {
    "training": "train",
    "train": "train",
    "validation": "test",
    "val": "test",
    "testing": None,
    "test": None,
}
ID_LENGTH = 11  # of a YouTube id
CHOICES = (
    Choice(
        "id_prefix",
        "video and feature files often carry v_ before the id, the official database does not",
        {"strip": "ids without v_; files are found with and without", "keep": "ids as written"},
    ),
    Choice(
        "testing",
        "the labels of the subset `testing` are withheld",
        {"leave_out": "not in the database"},
    ),
    Choice(
        "unlabelled",
        "a training or validation video without any annotation teaches and tests nothing",
        {"leave_out": "not in the database", "keep": "listed without labels"},
    ),
    Choice(
        "zero_length",
        "a segment without length overlaps nothing; its video keeps the label",
        {"drop": "leave the segment out", "keep": "count it"},
        times=True,
    ),
    Choice(
        "past_end",
        "segments that end after their video",
        {"keep": "as published, as the official evaluation does", "clip": "end with the video"},
        times=True,
    ),
    REPEATED,
    Choice(
        "renamed",
        "classes that the two versions name differently",
        {"file": "the name in the file", "v1_3": "the name of version 1.3"},
    ),
)


def read_activitynet(
    files: Sequence[Path], wanted: Mapping[str, str], facts: Mapping[str, Any]
) -> tuple[Annotations, Report]:
    """Read ActivityNet from `files`: a database JSON (the fullest there) or a numpy set.

    `wanted` overrides the defaults of CHOICES; `facts` may have `classes` (others are refused),
    `renamed` (name in 1.2 -> name in 1.3) and `variants` (counts of known copies). Text files of
    one id per line become lists. Raises FilesMissing if no database is among the files,
    WstalError if it belongs to another version.
    """
    tally = Tally(CHOICES, wanted)
    chosen, others = _read_sets(files)
    report = Report(
        f"ActivityNet, {chosen.name}", hash_files(chosen.files), notes=list(chosen.notes)
    )
    for other in others:
        report.notes.append(f"Also found, not read: {other.name}, {len(other.videos)} videos.")
    names, renamed = facts.get("classes", []), facts.get("renamed", {})
    database: dict[str, dict[str, Any]] = {}
    for written, video in chosen.videos.items():
        entry = _make_entry(written, video, tally, renamed)
        if entry is not None:
            video_id = _strip_prefix(written, tally)
            if video_id in database:
                raise WstalError(f"{chosen.name}: {video_id} is listed with and without v_")
            database[video_id] = entry
    classes = sorted({label for entry in database.values() for label in entry["labels"]})
    _check_classes(classes, names, renamed, tally, chosen)
    report.notes += _note_labels(database)
    report.decisions = tally.decisions()
    report.notes.insert(0, _note_published_counts(chosen, facts.get("variants", {})))
    return Annotations(classes, database, read_id_lists(files, database)), report


def _read_sets(files: Sequence[Path]) -> tuple[PublishedSet, list[PublishedSet]]:
    sets = [read_database(path) for path in files if path.suffix.lower() == ".json"]
    sets += [read_numpy_set(folder) for folder in sorted(numpy_folders(files))]
    sets = sorted(filter(None, sets), key=lambda each: (-len(each.videos), each.name))
    if not sets:
        raise FilesMissing("no ActivityNet database among the files")
    return sets[0], sets[1:]


def _strip_prefix(written: str, tally: Tally) -> str:
    if written.startswith("v_") and len(written) == ID_LENGTH + 2:
        tally.add("id_prefix", written)
        return written[2:] if tally.values["id_prefix"] == "strip" else written
    return written


def _make_entry(
    video: str, published: LabelledVideo, tally: Tally, renamed: Mapping[str, str]
) -> dict[str, Any] | None:
    if published.subset not in SUBSETS:
        raise WstalError(f"video {video}: subset {published.subset!r} is not ActivityNet's")
    subset = SUBSETS[published.subset]
    if subset is None:
        tally.add("testing", video)
        return None
    if not published.segments:
        tally.add("unlabelled", video)
        if tally.values["unlabelled"] == "leave_out":
            return None
    labels, kept = set(published.labels or ()), []
    for start, end, label in sorted(published.segments):
        if label in renamed:
            tally.add("renamed", f"{label} -> {renamed[label]}")
            label = renamed[label] if tally.values["renamed"] == "v1_3" else label
        labels.add(label)
        late = published.duration is not None and end > published.duration
        repeated = (start, end, label) in kept
        traps = {"zero_length": end <= start, "past_end": late, "repeated": repeated}
        stays = tally.keeps(video, traps)
        if late and tally.values["past_end"] == "clip":
            end = max(start, published.duration)
        if stays:
            kept.append((start, end, label))
    return published.entry(subset, labels, kept)


def _check_classes(
    found: list[str],
    expected: Sequence[str],
    renamed: Mapping[str, str],
    tally: Tally,
    chosen: PublishedSet,
) -> None:
    """Raise WstalError if the classes `found` are not those `expected` of this version."""
    new = {renamed.get(name, name) for name in expected}
    names = new if tally.values["renamed"] == "v1_3" else set(expected)
    if expected and set(found) != names:
        extra, absent = sorted(set(found) - names), sorted(names - set(found))
        raise WstalError(
            f"{chosen.name} has {len(found)} classes, this version of ActivityNet has "
            f"{len(names)}: unexpected {extra[:3]}, missing {absent[:3]}. Put the database of "
            "the right version there (activity_net.v1-2.min.json has 100 classes, v1-3 has 200)"
        )


def _note_published_counts(chosen: PublishedSet, variants: Mapping[str, Any]) -> str:
    """The note on what the file holds before any choice, and which known copy that is."""
    counts: dict[str, dict[str, int]] = {}
    for video in chosen.videos.values():
        if subset := SUBSETS[video.subset]:
            count = counts.setdefault(subset, {"videos": 0, "instances": 0})
            count["videos"] += 1
            count["instances"] += len(video.segments)
    same = [name for name, known in variants.items() if known == counts]
    shown = "; ".join(
        f"{subset} {count['videos']} videos, {count['instances']} instances"
        for subset, count in counts.items()
    )
    copy = f" (the copy `{same[0]}`)" if same else ""
    return f"Before any choice the file holds: {shown}{copy}."


def _note_labels(database: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    several = [video for video, entry in database.items() if len(entry["labels"]) > 1]
    if several:
        yield f"{len(several)} videos carry two labels or more: {', '.join(several[:5])} ..."
    bare = [video for video, e in database.items() if e["labels"] and not e["annotations"]]
    if bare:
        yield f"{len(bare)} videos keep their label and have no segment left."
