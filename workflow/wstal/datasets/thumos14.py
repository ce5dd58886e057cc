"""THUMOS14: from any of its published annotation sets to one database, every choice counted.

Three forms circulate, recognised by their content: the official text files (one per class and
subset, plain or in their zip archives), W-TALC's numpy arrays, and ActivityNet-style JSON.
`read_thumos14` reads one of them, compares it with the others, and counts what each choice
concerns.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wstal.base.errors import WstalError
from wstal.datasets.annotations import Annotations
from wstal.datasets.published_sets import (
    FilesMissing,
    LabelledVideo,
    PublishedSet,
    Segment,
    find_differences,
    hash_files,
    make_exclusion_lists,
    make_segment,
    numpy_folders,
    read_database,
    read_numpy_set,
    read_texts,
)
from wstal.datasets.report import REPEATED, Choice, Report, Tally

VIDEO_ID = re.compile(r"video_(validation|test)_\d{7}\Z")
CLASS_FILE = re.compile(r"([A-Za-z]+)_(val|test)\.txt\Z")
AMBIGUOUS = "Ambiguous"
SUBSETS = {"validation": "train", "training": "train", "train": "train", "test": "test"}
ASSUMED_FPS = 30.0  # of some JSON copies, for every video
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

    `wanted` overrides the defaults of CHOICES; `facts` has `classes`, `lists` (name -> `without`,
    `videos`) and `ambiguous_only` (ids). Raises FilesMissing if no set is among the files,
    WstalError if one is damaged.
    """
    tally = Tally(CHOICES, wanted)
    sources = read_sources(files, facts["classes"])
    form = tally.values["source"]
    form = next(iter(sources), "auto") if form == "auto" else form
    if form not in sources:
        kind = "" if form == "auto" else f" of the form {form}"
        raise FilesMissing(f"no THUMOS14 annotations{kind} among the files")
    tally.values["source"] = form
    chosen, others = sources[form], [each for name, each in sources.items() if name != form]
    report = Report(f"THUMOS14, {chosen.name}", hash_files(chosen.files))
    for other in others:
        found = find_differences(chosen, other) or ["the same videos and segments"]
        report.notes.append(f"Compared with {other.name}: {'; '.join(found)}.")
    borrowed = _borrow_facts(chosen, others, tally)
    database = {video: _make_entry(video, chosen.videos[video], tally) for video in chosen.videos}
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
    lists, absent = make_exclusion_lists(database, facts.get("lists", {}))
    report.notes += absent
    report.notes.append(_note_on_short_instances(database))
    for video, times in chosen.ambiguous.items():
        if video in database:
            database[video]["ambiguous"] = times
    if any(video.startswith("video_test_") for video in chosen.ambiguous):
        lists["ambiguous"] = [video for video, entry in database.items() if "ambiguous" in entry]
    return Annotations(list(facts["classes"]), database, lists), report


def read_sources(files: Sequence[Path], classes: Sequence[str]) -> dict[str, PublishedSet]:
    """Return every THUMOS14 set among `files` by form: official, numpy, json (the fullest each).

    Raises WstalError for a set that is damaged, or in which a class's file is missing.
    """
    class_files = _find_class_files(files)
    ambiguous, origin = _read_ambiguous(class_files)
    found: dict[str, PublishedSet] = {}
    if any(name in classes for name, _ in class_files):
        found["official"] = _read_official(class_files, classes)
    numpy_sets = [read_numpy_set(folder) for folder in sorted(numpy_folders(files))]
    databases = [read_database(path) for path in files if path.suffix.lower() == ".json"]
    for form, sets in (("numpy", numpy_sets), ("json", [each for each in databases if each])):
        if thumos := [each for each in sets if any(map(VIDEO_ID.match, each.videos))]:
            # Of several databases: the one with most videos, then with most durations.
            found[form] = max(thumos, key=lambda s: (len(s.videos), _count_durations(s), s.name))
    for each in found.values():
        each.ambiguous = ambiguous
        each.files += [path for path in origin if path not in each.files]
    return found


def read_official(files: Sequence[Path]) -> PublishedSet | None:
    """Return the set of official text files, of whichever classes are there; None for none."""
    found = {key: file for key, file in _find_class_files(files).items() if key[0] != AMBIGUOUS}
    classes = sorted({name for name, _ in found})
    return _read_official(found, classes) if found else None


def _count_durations(found: PublishedSet) -> int:
    return sum(video.duration is not None for video in found.videos.values())


def _find_class_files(files: Sequence[Path]) -> dict[tuple[str, str], tuple[Path, str]]:
    """(class, val or test) -> (file, text); of a file that is there twice, both must be equal."""
    found: dict[tuple[str, str], tuple[Path, str]] = {}
    for path, name, text in read_texts(files):
        if not (match := CLASS_FILE.match(name)):
            continue
        key = match[1], match[2]
        if key in found and found[key][1].split() != text.split():
            raise WstalError(f"{name} differs between {found[key][0]} and {path}; keep one")
        found.setdefault(key, (path, text))
    return found


def _read_official(
    files: Mapping[tuple[str, str], tuple[Path, str]], classes: Sequence[str]
) -> PublishedSet:
    if absent := [f"{c}_{s}.txt" for s in ("val", "test") for c in classes if (c, s) not in files]:
        raise WstalError(
            f"{', '.join(absent)} of THUMOS14's official annotations is missing; put all files of "
            "TH14_Temporal_annotations_validation.zip and _test.zip (or both zips) in one folder"
        )
    paths = sorted({files[key][0] for key in files if key[0] in classes})
    found = PublishedSet("official text files, one per class", paths)
    for (label, subset), (path, text) in sorted(files.items()):
        for video, start, end in _split_lines(text, path, label) if label in classes else ():
            named_subset = _check_subset(video, subset, path)
            entry = found.videos.setdefault(video, LabelledVideo(named_subset))
            entry.segments.append(make_segment(start, end, label, f"{path}, {label}_{subset}"))
    return found


def _check_subset(video: str, word: str, path: Path) -> str:
    named = VIDEO_ID.match(video)
    if not named or not named[1].startswith(word):
        raise WstalError(f"{path}: {video!r} is not a video of THUMOS14's {word} subset")
    return named[1]


def _split_lines(text: str, path: Path, label: str) -> list[list[str]]:
    rows = [line.split() for line in text.splitlines() if line.strip()]
    if bad := [row for row in rows if len(row) != 3]:
        raise WstalError(f"{path}, {label}: {' '.join(bad[0])!r} is not `video start end`")
    return rows


def _read_ambiguous(
    files: Mapping[tuple[str, str], tuple[Path, str]],
) -> tuple[dict[str, list[list[float]]], list[Path]]:
    found: dict[str, list[list[float]]] = {}
    origin = []
    for subset in ("val", "test"):
        path, text = files.get((AMBIGUOUS, subset), (None, ""))
        if path is not None:
            origin.append(path)
            for video, start, end in _split_lines(text, path, AMBIGUOUS):
                times = make_segment(start, end, AMBIGUOUS, str(path))[:2]
                found.setdefault(video, []).append(list(times))
    return found, origin


def _borrow_facts(chosen: PublishedSet, others: Sequence[PublishedSet], tally: Tally) -> list[str]:
    """Drop durations that assume 30 fps; take missing ones, and labels, from the other sets."""
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


def _make_entry(video: str, published: LabelledVideo, tally: Tally) -> dict[str, Any]:
    kept = _keep_segments(video, published, tally)
    twins = _diving_twins(published) if tally.values["cliff_diving"] == "cliff_only" else set()
    # Of all segments, kept or not: choices about times must not change labels.
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


def _keep_segments(video: str, published: LabelledVideo, tally: Tally) -> list[Segment]:
    """The segments that stay, in time order."""
    twins = _diving_twins(published)
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


def _diving_twins(published: LabelledVideo) -> set[Segment]:
    """The Diving segments at the times of a CliffDiving one."""
    cliffs = {(start, end) for start, end, label in published.segments if label == "CliffDiving"}
    return {s for s in published.segments if s[2] == "Diving" and s[:2] in cliffs}


def _note_on_short_instances(database: Mapping[str, Mapping[str, Any]]) -> str:
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
            "detection that overlaps one is dropped (`filter`) or counted (`ignore`)."
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
