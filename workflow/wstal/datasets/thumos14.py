"""THUMOS14: from any of its published annotation sets to one database, every choice counted."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wstal.base.errors import WstalError
from wstal.base.restricted_pickle import read_object_array
from wstal.datasets.annotations import (
    Annotations,
    NothingThere,
    PublishedSet,
    PublishedVideo,
    Segment,
    differences,
    digests,
    exclusion_lists,
    segment,
    texts,
)
from wstal.datasets.database_json import read_database
from wstal.datasets.report import REPEATED, Choice, Report, Tally

# FOLDED The numpy annotation set that W-TALC published and CO2-Net, HAM-Net and others use.
# FOLDED
# FOLDED Parallel arrays, one element per video: videoname, subset, duration [N, 1] in seconds, segments
# FOLDED (lists of [start, end] in seconds), labels (one per segment), labels_all (one per class present).

NEEDED = ("videoname", "subset", "segments", "labels", "duration")


def wtalc_folders(files: Iterable[Path]) -> Iterator[Path]:
    """Folders among `files` that hold such a set."""
    names: dict[Path, set[str]] = {}
    for path in files:
        if path.suffix == ".npy":
            names.setdefault(path.parent, set()).add(path.stem)
    return (folder for folder, stems in names.items() if {"videoname", "segments"} <= stems)


def read_wtalc(folder: Path) -> PublishedSet:
    """Read the set in `folder`.

    Raises WstalError naming a file that is absent, refused or of another length.
    """
    optional = [name for name in ("labels_all", "original_fps") if _file(folder, name).exists()]
    arrays = {name: read_object_array(_file(folder, name)) for name in (*NEEDED, *optional)}
    count = len(arrays["videoname"])
    for name, array in arrays.items():
        if len(array) != count:
            raise WstalError(
                f"{_file(folder, name)} has {len(array)} elements, videoname.npy has {count}; "
                "fetch the set again"
            )
    found = PublishedSet("W-TALC numpy set", [_file(folder, name) for name in arrays])
    for index in range(count):
        name = _text(arrays["videoname"][index])
        where = f"{folder}, video {name}"
        times, labels = list(arrays["segments"][index]), list(arrays["labels"][index])
        if len(times) != len(labels) or any(np.size(pair) != 2 for pair in times):
            raise WstalError(f"{where}: {len(times)} segments and {len(labels)} labels")
        rates = arrays.get("original_fps")
        found.videos[name] = PublishedVideo(
            subset=_text(arrays["subset"][index]).lower(),
            segments=[
                segment(*pair, label, where) for pair, label in zip(times, labels, strict=True)
            ],
            duration=float(np.ravel(arrays["duration"][index])[0]),
            labels=list(arrays["labels_all"][index]) if "labels_all" in arrays else None,
            fps=None if rates is None else float(np.ravel(rates[index])[0]),
        )
    extracted = _file(folder, "extracted_fps")
    if extracted.exists():
        rates = sorted(set(np.ravel(read_object_array(extracted)).tolist()))
        found.notes.append(
            f"extracted_fps.npy says {', '.join(f'{rate:g}' for rate in rates)} frames per second "
            "for all videos; it is not read: the I3D features were made at 25"
        )
    return found


def _file(folder: Path, name: str) -> Path:
    return folder / f"{name}.npy"


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


# FOLDED THUMOS14's annotation files in the three forms that circulate, recognised by their content.

VIDEO_ID = re.compile(r"video_(validation|test)_\d{7}\Z")
CLASS_FILE = re.compile(r"([A-Za-z]+)_(val|test)\.txt\Z")
AMBIGUOUS = "Ambiguous"
SUBSETS = {"validation": "train", "training": "train", "train": "train", "test": "test"}


def read_sources(files: Sequence[Path], classes: Sequence[str]) -> dict[str, PublishedSet]:
    """Every THUMOS14 set among `files` by form: official, numpy, json (the fullest of each).

    Raises WstalError for a set that is damaged or lacks a class's file.
    """
    texts_found = _class_files(files)
    ambiguous, origin = _ambiguous(texts_found)
    found: dict[str, PublishedSet] = {}
    if any(name in classes for name, _ in texts_found):
        found["official"] = _official(texts_found, classes)
    numpy_sets = [read_wtalc(folder) for folder in sorted(wtalc_folders(files))]
    databases = [read_database(path) for path in files if path.suffix.lower() == ".json"]
    for form, sets in (("numpy", numpy_sets), ("json", [each for each in databases if each])):
        if thumos := [each for each in sets if any(map(VIDEO_ID.match, each.videos))]:
            # Several databases may lie there: the one with most videos, then with durations.
            found[form] = max(thumos, key=lambda s: (len(s.videos), _timed(s), s.name))
    for each in found.values():
        each.ambiguous = ambiguous
        each.files += [path for path in origin if path not in each.files]
    return found


def _timed(found: PublishedSet) -> int:
    return sum(video.duration is not None for video in found.videos.values())


def _class_files(files: Sequence[Path]) -> dict[tuple[str, str], tuple[Path, str]]:
    """(class, val or test) -> (file, text); the same file may be there twice, unequal may not."""
    found: dict[tuple[str, str], tuple[Path, str]] = {}
    for path, name, text in texts(files):
        if not (match := CLASS_FILE.match(name)):
            continue
        key = match[1], match[2]
        if key in found and found[key][1].split() != text.split():
            raise WstalError(f"{name} is in {found[key][0]} and, different, in {path}; keep one")
        found.setdefault(key, (path, text))
    return found


def _official(
    files: Mapping[tuple[str, str], tuple[Path, str]], classes: Sequence[str]
) -> PublishedSet:
    if absent := [f"{c}_{s}.txt" for s in ("val", "test") for c in classes if (c, s) not in files]:
        raise WstalError(
            f"THUMOS14's official annotations lack {', '.join(absent)}; put all files of "
            "TH14_Temporal_annotations_validation.zip and _test.zip (or both zips) in one folder"
        )
    paths = sorted({files[key][0] for key in files if key[0] in classes})
    found = PublishedSet("official text files, one per class", paths)
    for (label, subset), (path, text) in sorted(files.items()):
        for video, start, end in _rows(text, path, label) if label in classes else ():
            entry = found.videos.setdefault(
                video, PublishedVideo(_file_subset(video, subset, path))
            )
            entry.segments.append(segment(start, end, label, f"{path}, {label}_{subset}"))
    return found


def _file_subset(video: str, word: str, path: Path) -> str:
    named = VIDEO_ID.match(video)
    if not named or not named[1].startswith(word):
        raise WstalError(f"{path}: {video!r} is no video of THUMOS14's {word} subset")
    return named[1]


def _rows(text: str, path: Path, label: str) -> list[list[str]]:
    rows = [line.split() for line in text.splitlines() if line.strip()]
    if bad := [row for row in rows if len(row) != 3]:
        raise WstalError(f"{path}, {label}: {' '.join(bad[0])!r} is not `video start end`")
    return rows


def _ambiguous(
    files: Mapping[tuple[str, str], tuple[Path, str]],
) -> tuple[dict[str, list[list[float]]], list[Path]]:
    found: dict[str, list[list[float]]] = {}
    origin = []
    for subset in ("val", "test"):
        path, text = files.get((AMBIGUOUS, subset), (None, ""))
        if path is not None:
            origin.append(path)
            for video, start, end in _rows(text, path, AMBIGUOUS):
                times = segment(start, end, AMBIGUOUS, str(path))[:2]
                found.setdefault(video, []).append(list(times))
    return found, origin


ASSUMED_FPS = 30.0
SNIPPETS_PER_SECOND = 25 / 16
CHOICES = (
    Choice(
        "source",
        "three forms circulate; the others found are compared below",
        {
            "auto": "official text files, else the numpy set, else JSON",
            "official": "one text file per class and subset",
            "numpy": "the set of W-TALC and CO2-Net",
            "json": "an ActivityNet-style database",
        },
    ),
    Choice(
        "video_labels",
        "labels_all.npy disagrees with the labels of the instances; W-TALC and CO2-Net train on "
        "labels_all, BaS-Net and ACM-Net on the instances",
        {
            "instances": "a video carries the classes of its instances",
            "labels_all": "as labels_all.npy says",
        },
    ),
    Choice(
        "out_of_range",
        "segments that start after the end of their video can only be missed",
        {"keep": "count them, as the published evaluations do", "drop": "leave them out"},
        times=True,
    ),
    Choice(
        "zero_length",
        "a segment without length overlaps nothing",
        {"drop": "leave them out", "keep": "count them"},
        times=True,
    ),
    REPEATED,
    Choice(
        "cliff_diving",
        "every CliffDiving segment is annotated as Diving too: its videos have two labels",
        {"both": "both classes, as published", "cliff_only": "without the Diving twin"},
    ),
    Choice(
        "ambiguous_only",
        "video_test_0001292 has ambiguous segments and no instance of the 20 classes",
        {"list": "a test video without instances", "leave_out": "not in the database"},
    ),
    Choice(
        "assumed_duration",
        "durations computed at 30 fps for every video are wrong for those at 24 and 25",
        {"drop": "measure them on the videos instead", "keep": "believe the file"},
    ),
)


def read_thumos14(
    files: Sequence[Path], wanted: Mapping[str, str], facts: Mapping[str, Any]
) -> tuple[Annotations, Report]:
    """Read THUMOS14 from `files`, in whichever form they are.

    `wanted` overrides CHOICES; `facts` has `classes`, `lists` (name -> `without`, `videos`) and
    `ambiguous_only` (ids). Raises WstalError if no set is among the files or one is damaged.
    """
    tally = Tally(CHOICES, wanted)
    sources = read_sources(files, facts["classes"])
    form = tally.values["source"]
    form = next(iter(sources), "auto") if form == "auto" else form
    if form not in sources:
        kind = "" if form == "auto" else f" of the form {form}"
        raise NothingThere(f"no THUMOS14 annotations{kind} among the files")
    tally.values["source"] = form
    chosen, others = sources[form], [each for name, each in sources.items() if name != form]
    report = Report(f"THUMOS14, {chosen.name}", digests(chosen.files))
    for other in others:
        found = differences(chosen, other) or ["the same videos and segments"]
        report.notes.append(f"Compared with {other.name}: {'; '.join(found)}.")
    borrowed = _complete(chosen, others, tally)
    database = {video: _entry(video, chosen.videos[video], tally) for video in chosen.videos}
    for video in facts.get("ambiguous_only", []):
        if video not in database and video in chosen.ambiguous:
            tally.add("ambiguous_only", video)
            if tally.values["ambiguous_only"] == "list":
                subset = _subset(video, VIDEO_ID.match(video)[1])
                empty = {"duration": None, "labels": [], "annotations": []}
                database[video] = {"subset": subset, **empty}
    database = dict(sorted(database.items()))
    report.decisions = tally.decisions()
    report.notes += borrowed + _notes(sources, chosen, facts)
    lists, absent = exclusion_lists(database, facts.get("lists", {}))
    report.notes += absent
    report.notes.append(_collapsing(database))
    for video, times in chosen.ambiguous.items():
        if video in database:
            database[video]["ambiguous"] = times
    if any(video.startswith("video_test_") for video in chosen.ambiguous):
        lists["ambiguous"] = [video for video, entry in database.items() if "ambiguous" in entry]
    return Annotations(list(facts["classes"]), database, lists), report


def _complete(chosen: PublishedSet, others: Sequence[PublishedSet], tally: Tally) -> list[str]:
    """Take away durations that assume 30 fps; fill what is absent from the other sets."""
    for each in (chosen, *others):
        timed = [video for video in each.videos.values() if video.frames and video.duration]
        if timed and all(abs(v.duration - v.frames / ASSUMED_FPS) < 1e-3 for v in timed):
            for name, video in each.videos.items():
                if each is chosen:
                    tally.add("assumed_duration", name)
                if each is not chosen or tally.values["assumed_duration"] == "drop":
                    video.duration = None
    notes = []
    for what in ("duration", "labels"):
        for other in others:
            taken = 0
            for name, video in chosen.videos.items():
                value = getattr(other.videos.get(name), what, None)
                if getattr(video, what) is None and value is not None:
                    setattr(video, what, value)
                    taken += 1
            if taken:
                notes.append(f"The {what} of {taken} videos is taken from {other.name}.")
    return notes


def _entry(video: str, published: PublishedVideo, tally: Tally) -> dict[str, Any]:
    kept = _kept(video, published, tally)
    twins = _twins(published) if tally.values["cliff_diving"] == "cliff_only" else set()
    # Of all segments, kept or not: what is decided about times concerns no label.
    labels = {segment[2] for segment in published.segments if segment not in twins}
    if published.labels is None and tally.values["video_labels"] == "labels_all":
        raise WstalError(
            "choices.video_labels: labels_all needs labels_all.npy of the numpy set; put that set "
            "beside the other files, or choose instances"
        )
    if published.labels is not None and labels != set(published.labels):
        tally.add("video_labels", video)
        if tally.values["video_labels"] == "labels_all":
            labels = set(published.labels)
    return published.entry(_subset(video, published.subset), labels, kept)


def _subset(video: str, word: str) -> str:
    named = VIDEO_ID.match(video)
    if not named or SUBSETS.get(word) != SUBSETS[named[1]]:
        raise WstalError(f"video {video}, subset {word!r}: this is not THUMOS14's naming")
    return SUBSETS[word]


def _kept(video: str, published: PublishedVideo, tally: Tally) -> list[Segment]:
    """The segments that stay, in time order."""
    twins = _twins(published)
    kept: list[Segment] = []
    for each in sorted(published.segments):
        start, end, _ = each
        traps = {
            "out_of_range": published.duration is not None and start >= published.duration,
            "zero_length": end <= start,
            "repeated": each in kept,
            "cliff_diving": each in twins,
        }
        stays = tally.keeps(video, traps)
        if stays and not (each in twins and tally.values["cliff_diving"] == "cliff_only"):
            kept.append(each)
    return kept


def _twins(published: PublishedVideo) -> set[Segment]:
    """The Diving segments at the times of a CliffDiving one."""
    cliffs = {(start, end) for start, end, label in published.segments if label == "CliffDiving"}
    return {s for s in published.segments if s[2] == "Diving" and s[:2] in cliffs}


def _collapsing(database: Mapping[str, Mapping[str, Any]]) -> str:
    times = [
        [round(time * SNIPPETS_PER_SECOND) for time in item["segment"]]
        for entry in database.values()
        if entry["subset"] == "test"
        for item in entry["annotations"]
    ]
    return (
        f"{sum(start == end for start, end in times)} test instances have no length in whole "
        "snippets of 16 frames at 25 per second (protocols with `units: snippets`): there they "
        "can only be missed."
    )


def _notes(
    sources: Mapping[str, PublishedSet], chosen: PublishedSet, facts: Mapping[str, Any]
) -> list[str]:
    notes = list(chosen.notes)
    for subset in ("validation", "test"):
        named = {v: times for v, times in chosen.ambiguous.items() if f"_{subset}_" in v}
        notes.append(
            f"Ambiguous segments, {subset}: {sum(map(len, named.values()))} in {len(named)} "
            "videos. They are kept apart from the instances; the protocol says whether a "
            "detection that meets one is dropped (`filter`) or counted (`ignore`)."
            if named
            else f"Ambiguous_{subset[:3] if subset[0] == 'v' else subset}.txt is not there: a "
            "protocol that filters by it cannot be evaluated."
        )
    for source in sources.values():
        rates = Counter(round(v.fps, 2) for v in source.videos.values() if v.fps)
        if rates:
            seen = ", ".join(f"{count} videos at {rate:g}" for rate, count in rates.most_common())
            notes.append(
                f"Frame rates by {source.name}: {seen}. No time is derived from them: segments "
                "are in seconds, features are made at the recipe's rate."
            )
    if untimed := sum(video.duration is None for video in chosen.videos.values()):
        notes.append(
            f"{untimed} videos have no duration in these files, so segments beyond their end are "
            f"not counted here; known: {facts.get('out_of_range', 'none')}. The manifest has the "
            "durations measured on the videos."
        )
    return notes
