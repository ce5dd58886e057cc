"""The annotation database every dataset is turned into, in ActivityNet's layout."""

from __future__ import annotations

import csv
import hashlib
import json
import math
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from wstal.base.errors import WstalError
from wstal.base.files import write_json

SUBSETS = ("train", "val", "test")
COLUMNS = ["video_id", "t_start", "t_end", "label"]
_SEEN = ("subset", "duration", "labels")  # of a training video; no times but its length
_TAUGHT = ("labels", "annotations", "ambiguous")  # what people said of a video


@dataclass(frozen=True)
class Annotations:
    """Classes, named id lists and one entry per video.

    An entry holds `subset`, `duration` (seconds or None), `labels` (the video-level labels,
    all that training may read) and `annotations` (`{"segment": [s, e], "label": name}`,
    seconds, half-open). It may hold `file` (the video file's name where that is not the id),
    `features_only` (true: no video, only published features) and
    `ambiguous` (segments that are neither action nor background; the list `ambiguous` names the
    videos that have some).
    """

    classes: list[str]
    database: dict[str, dict[str, Any]]
    lists: dict[str, list[str]] = field(default_factory=dict)
    version: str = "wstal-1"

    def __post_init__(self) -> None:
        known = set(self.classes)
        for video, entry in self.database.items():
            if entry["subset"] not in SUBSETS:
                raise WstalError(
                    f"video {video}: subset {entry['subset']!r} is not one of {', '.join(SUBSETS)}"
                )
            named = set(entry["labels"]) | {a["label"] for a in entry["annotations"]}
            if unknown := named - known:
                raise WstalError(
                    f"video {video}: labels {sorted(unknown)} are not among the "
                    f"{len(known)} classes; correct the label or add the class"
                )

    def ids(self, subset: str) -> list[str]:
        """Ids of a subset, in database order."""
        return [video for video, entry in self.database.items() if entry["subset"] == subset]

    def label_matrix(self, ids: Iterable[str]) -> np.ndarray:
        """Video-level labels as float32 `[N, C]`, without background."""
        ids = list(ids)
        index = {name: i for i, name in enumerate(self.classes)}
        matrix = np.zeros((len(ids), len(self.classes)), dtype=np.float32)
        for row, video in enumerate(ids):
            matrix[row, [index[label] for label in self.database[video]["labels"]]] = 1
        return matrix

    def has_segments(self, subset: str) -> bool:
        """Whether any video of `subset` has annotated segments."""
        return any(self.database[video]["annotations"] for video in self.ids(subset))

    def ground_truth(self, subset: str) -> pd.DataFrame:
        """Segments of `subset` as a frame video_id, t_start, t_end, label (seconds)."""
        rows = [
            (video, *map(float, item["segment"]), item["label"])
            for video in self.ids(subset)
            for item in self.database[video]["annotations"]
        ]
        return pd.DataFrame(rows, columns=COLUMNS).astype({"t_start": float, "t_end": float})

    def as_json(self) -> dict[str, Any]:
        """The file's content."""
        return {
            "version": self.version,
            "classes": self.classes,
            "lists": self.lists,
            "database": self.database,
        }


def read_annotations(path: str | Path) -> Annotations:
    """Read annotations.json; raises WstalError that names the file and what is wrong in it."""
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        entries = content["database"]
        return Annotations(content["classes"], entries, content.get("lists", {}))
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise WstalError(
            f"{path} is not an annotation database of this project ({error!r}); "
            "remove it and let the annotations rule write it again"
        ) from error
    except WstalError as error:
        raise WstalError(f"{path}: {error}") from error


def write_annotations(path: str | Path, annotations: Annotations) -> None:
    """Write annotations.json atomically."""
    write_json(path, annotations.as_json())


def training_view(annotations: Annotations) -> Annotations:
    """What weak supervision may see: training videos with their video-level labels, no times.

    Training reads a file of this and nothing else of the annotations, so that no segment and
    no test label can reach it.
    """
    return Annotations(
        annotations.classes,
        {
            video: {key: entry[key] for key in _SEEN if key in entry} | {"annotations": []}
            for video, entry in annotations.database.items()
            if entry["subset"] == "train"
        },
    )


def videos_view(annotations: Annotations) -> Annotations:
    """Which videos there are: subset, duration and file of each, no label and no time.

    What finds, decodes and packs videos reads a file of this, so that a corrected segment
    concerns none of it.
    """
    return Annotations(
        [],
        {
            video: {key: entry[key] for key in entry if key not in _TAUGHT}
            | {"labels": [], "annotations": []}
            for video, entry in annotations.database.items()
        },
    )


# FOLDED One short text that stands for the data a run was given.


def data_digest(parts: Iterable[str | np.ndarray]) -> str:
    """SHA-256 of texts and arrays in order; an array counts with its type and shape."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            head, body = f"text {len(part)}", part.encode()
        else:
            head, body = f"{part.dtype.str} {part.shape}", np.ascontiguousarray(part).data
        digest.update(f"\n{head}\n".encode())
        digest.update(body)
    return digest.hexdigest()


# FOLDED A published annotation set as its files give it, before any choice is made about it.

Segment = tuple[float, float, str]  # start and end in seconds, label
FETCHED = "fetched.csv"  # file,url,bytes,sha256: what a download left beside it
MAX_TEXT = 64 << 20
DURATION_TOLERANCE = 0.2  # seconds


class NothingThere(WstalError):
    """None of a dataset's label files is among those given."""


@dataclass
class PublishedVideo:
    """One video: `subset` in the publisher's own word; `labels` only where given per video."""

    subset: str
    segments: list[Segment] = field(default_factory=list)
    duration: float | None = None
    labels: list[str] | None = None
    fps: float | None = None
    frames: int | None = None

    def entry(
        self, subset: str, labels: Iterable[str], segments: Iterable[Segment]
    ) -> dict[str, Any]:
        """The video in a database of annotations, with the labels and segments that stay."""
        return {
            "subset": subset,
            "duration": self.duration,
            "labels": sorted(labels),
            "annotations": [{"segment": [s, e], "label": label} for s, e, label in segments],
        }


@dataclass
class PublishedSet:
    """Videos by id, the files they were read from and what the reader noticed."""

    name: str
    files: list[Path]
    videos: dict[str, PublishedVideo] = field(default_factory=dict)
    ambiguous: dict[str, list[list[float]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def instances(self) -> int:
        """Number of segments."""
        return sum(len(video.segments) for video in self.videos.values())


def segment(start: Any, end: Any, label: Any, where: str) -> Segment:
    """A checked segment; raises WstalError naming `where` if the times are no finite numbers."""
    try:
        times = float(start), float(end)
    except (TypeError, ValueError) as error:
        raise WstalError(f"{where}: {start!r} to {end!r} are no times in seconds") from error
    if not all(map(math.isfinite, times)):
        raise WstalError(f"{where}: {start!r} to {end!r} are no times in seconds")
    return (*times, str(label).strip())


def read_json(path: Path) -> Any:
    """The content of a JSON file; raises WstalError naming the file if it is not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise WstalError(f"{path} is not JSON ({error}); fetch it again") from error


def listed(files: Iterable[Path]) -> list[Path]:
    """`files` with each fetched.csv replaced by the files it lists beside it."""
    found = []
    for path in files:
        if path.name == FETCHED:
            with path.open(newline="", encoding="utf-8") as file:
                found += [path.with_name(row["file"]) for row in csv.DictReader(file)]
        else:
            found.append(path)
    return found


def texts(files: Iterable[Path]) -> Iterator[tuple[Path, str, str]]:
    """(file, name, text) of each text file, also of those inside zip archives."""
    for path in files:
        if path.suffix.lower() == ".txt":
            yield path, path.name, path.read_text(encoding="utf-8-sig", errors="replace")
        elif path.suffix.lower() == ".zip" and zipfile.is_zipfile(path):
            yield from _zipped(path)


def _zipped(path: Path) -> Iterator[tuple[Path, str, str]]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            name = member.filename.rsplit("/", 1)[-1]
            hidden = name.startswith(".") or "__MACOSX" in member.filename
            if name.lower().endswith(".txt") and not hidden and not member.flag_bits & 1:
                if member.file_size > MAX_TEXT:
                    raise WstalError(f"{path}: {member.filename} is too large for a text file")
                yield path, name, archive.read(member).decode("utf-8-sig", "replace")


def id_lists(files: Iterable[Path], known: Mapping[str, Any]) -> dict[str, list[str]]:
    """Text files of one known id per line, as lists named after the file.

    Ids may carry a leading `v_`; those that are not `known` are left out of the list.
    """
    lists = {}
    for _, name, text in texts(files):
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if not lines or any(len(line.split()) > 1 for line in lines):
            continue
        ids = [line if line in known else line.removeprefix("v_") for line in lines]
        found = [video for video in dict.fromkeys(ids) if video in known]
        if len(found) > len(set(ids)) / 2:
            lists[re.sub(r"[^a-z0-9]+", "_", Path(name).stem.lower())] = found
    return lists


def exclusion_lists(
    database: Mapping[str, Mapping[str, Any]], known: Mapping[str, Mapping[str, Any]]
) -> tuple[dict[str, list[str]], list[str]]:
    """Test lists defined by the videos they leave out, and a sentence per list not available.

    `known`: name -> `without` (ids) and `videos` (how many it must have). A list of another
    length is not given out under its name: numbers on it would not be comparable.
    """
    lists, absent = {}, []
    test = [video for video, entry in database.items() if entry["subset"] == "test"]
    for name, rule in known.items():
        ids = [video for video in test if video not in rule["without"]]
        if len(ids) == rule["videos"]:
            lists[name] = ids
        else:
            absent.append(
                f"The list {name} has {rule['videos']} videos; these files give {len(ids)} of "
                "them, so it is not available."
            )
    return lists, absent


def differences(a: PublishedSet, b: PublishedSet) -> list[str]:
    """Where two sets disagree, a sentence per kind with its count; empty if they agree."""
    found = []
    for one, other in ((a, b), (b, a)):
        if only := sorted(set(one.videos) - set(other.videos)):
            found.append(f"{len(only)} videos only in {one.name}: {_some(only)}")
    both = sorted(set(a.videos) & set(b.videos))
    if moved := [v for v in both if sorted(a.videos[v].segments) != sorted(b.videos[v].segments)]:
        found.append(f"segments differ in {len(moved)} videos: {_some(moved)}")
    timed = [(v, a.videos[v].duration, b.videos[v].duration) for v in both]
    if off := [v for v, x, y in timed if x and y and abs(x - y) > DURATION_TOLERANCE]:
        found.append(f"durations differ by over {DURATION_TOLERANCE} s in {len(off)}: {_some(off)}")
    return found


def _some(ids: Sequence[str]) -> str:
    return ", ".join(ids[:5]) + (" ..." if len(ids) > 5 else "")


def digests(files: Iterable[Path]) -> dict[str, str]:
    """sha256 by file name (path from the working directory)."""
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
