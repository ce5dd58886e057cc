"""THUMOS14's annotation files in the three forms that circulate, recognised by their content."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from wstal.data.database_json import read_database
from wstal.data.published import PublishedSet, PublishedVideo, segment, texts
from wstal.data.wtalc import read_wtalc, wtalc_folders
from wstal.errors import WstalError

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
            entry = found.videos.setdefault(video, PublishedVideo(_subset(video, subset, path)))
            entry.segments.append(segment(start, end, label, f"{path}, {label}_{subset}"))
    return found


def _subset(video: str, word: str, path: Path) -> str:
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
