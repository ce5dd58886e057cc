"""Published annotation sets as their files give them, before any choice is made about them.

Two forms are shared by several datasets: ActivityNet's JSON in the spellings that circulate
(`read_database`), and the numpy arrays that W-TALC published (`read_numpy_set`). The readers of
single datasets build on these and on the helpers for text files, lists and comparisons below.
"""

from __future__ import annotations

import math
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from wstal.base.errors import WstalError
from wstal.base.restricted_pickle import read_object_array
from wstal.base.text_files import decode_text, read_json, read_rows, read_text
from wstal.base.user_files import check_regular, file_sha256

Segment = tuple[float, float, str]  # start and end in seconds, label


class FilesMissing(WstalError):
    """None of the files that a reader looks for is there."""


@dataclass
class LabelledVideo:
    """One video: `subset` in the publisher's own word; `labels` only if given per video."""

    subset: str
    segments: list[Segment] = field(default_factory=list)
    duration: float | None = None  # seconds
    labels: list[str] | None = None
    fps: float | None = None
    frames: int | None = None

    def entry(
        self, subset: str, labels: Iterable[str], segments: Iterable[Segment]
    ) -> dict[str, Any]:
        """Return the video's entry in a database, with the labels and segments that stay."""
        return {
            "subset": subset,
            "duration": self.duration,
            "labels": sorted(labels),
            "annotations": [{"segment": [s, e], "label": label} for s, e, label in segments],
        }


@dataclass
class PublishedSet:
    """Videos by id, the files they were read from, and the reader's notes."""

    name: str
    files: list[Path]
    videos: dict[str, LabelledVideo] = field(default_factory=dict)
    ambiguous: dict[str, list[list[float]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def make_segment(start: Any, end: Any, label: Any, where: str) -> Segment:
    """Return a segment of finite times; raise WstalError that names `where` for others."""
    try:
        times = float(start), float(end)
    except (TypeError, ValueError) as error:
        raise WstalError(f"{where}: {start!r} to {end!r} are not times in seconds") from error
    if not all(map(math.isfinite, times)):
        raise WstalError(f"{where}: {start!r} to {end!r} are not times in seconds")
    return (*times, str(label).strip())


# ActivityNet's JSON: `{"database": {id: {subset, duration, annotations: [{segment, label}]}}}`.
# Some copies keep times as text, write the subset in other words or put `v_` before the ids. One
# is a flat mapping with `duration_second`, whose subsets are in a CSV file beside it.

FLAT_DURATION = "duration_second"
FLAT_SUBSETS = "video_info_new.csv"


def read_database(path: Path) -> PublishedSet | None:
    """Read the set in a JSON file, ids unchanged; return None for another kind of JSON.

    Raises WstalError that names the file and the video for an entry that cannot be read.
    """
    content = read_json(path, "JSON, so fetch it again")
    if not isinstance(content, Mapping):
        return None
    if isinstance(content.get("database"), Mapping):
        version = str(content.get("version") or "").strip()
        name = f"{path.name} ({version})" if version else path.name
        found = PublishedSet(name, [path])
        for video, entry in content["database"].items():
            found.videos[video] = _read_video(entry, entry.get("subset"), f"{path}, video {video}")
        return found
    first = next(iter(content.values()), None)
    if isinstance(first, Mapping) and FLAT_DURATION in first:
        return _read_flat(path, content)
    return None


def _read_flat(path: Path, content: Mapping[str, Any]) -> PublishedSet:
    beside = next(path.parent.glob(f"*{FLAT_SUBSETS}"), None)
    if beside is None:
        raise WstalError(
            f"{path} does not give the subset of a video; put {FLAT_SUBSETS} from the same place "
            "beside it"
        )
    subsets = {row["video"]: row["subset"] for row in read_rows(beside, ("video", "subset"))}
    found = PublishedSet(path.name, [path, beside])
    for video, entry in content.items():
        found.videos[video] = _read_video(entry, subsets.get(video), f"{path}, video {video}")
    return found


def _read_video(entry: Mapping[str, Any], subset: Any, where: str) -> LabelledVideo:
    if not isinstance(subset, str):
        raise WstalError(f"{where}: no subset is given")
    try:
        duration = entry.get("duration", entry.get(FLAT_DURATION))
        return LabelledVideo(
            subset=subset.strip().lower(),
            segments=[
                make_segment(*item["segment"], item["label"], where)
                for item in entry.get("annotations", [])
            ],
            duration=None if duration is None else float(duration),
            fps=entry.get("fps"),
            frames=entry.get("frames"),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise WstalError(f"{where}: the entry cannot be read ({error!r})") from error


# W-TALC's numpy arrays, one element per video: videoname, subset, duration [N, 1] in seconds,
# segments (lists of [start, end] in seconds), labels (one per segment), labels_all (one per class
# of the video).

NEEDED = ("videoname", "subset", "segments", "labels", "duration")


def numpy_folders(files: Iterable[Path]) -> Iterator[Path]:
    """Yield the folders among `files` that hold a set of W-TALC's arrays."""
    names: dict[Path, set[str]] = {}
    for path in files:
        if path.suffix == ".npy":
            names.setdefault(path.parent, set()).add(path.stem)
    return (folder for folder, stems in names.items() if {"videoname", "segments"} <= stems)


def read_numpy_set(folder: Path) -> PublishedSet:
    """Read the arrays in `folder`.

    Raises WstalError that names a file which is missing, refused or of another length.
    """
    paths = {name: folder / f"{name}.npy" for name in (*NEEDED, "labels_all", "original_fps")}
    arrays = {
        name: read_object_array(path)
        for name, path in paths.items()
        if name in NEEDED or path.exists()
    }
    count = len(arrays["videoname"])
    for name, array in arrays.items():
        if len(array) != count:
            raise WstalError(
                f"{paths[name]} has {len(array)} elements, videoname.npy has {count}; "
                "fetch the set again"
            )
    found = PublishedSet("W-TALC numpy set", [paths[name] for name in arrays])
    for index in range(count):
        name = as_text(arrays["videoname"][index])
        where = f"{folder}, video {name}"
        times, labels = list(arrays["segments"][index]), list(arrays["labels"][index])
        if len(times) != len(labels) or any(np.size(pair) != 2 for pair in times):
            raise WstalError(f"{where}: {len(times)} segments and {len(labels)} labels")
        rates = arrays.get("original_fps")
        found.videos[name] = LabelledVideo(
            subset=as_text(arrays["subset"][index]).lower(),
            segments=[
                make_segment(*pair, label, where) for pair, label in zip(times, labels, strict=True)
            ],
            duration=float(np.ravel(arrays["duration"][index])[0]),
            labels=list(arrays["labels_all"][index]) if "labels_all" in arrays else None,
            fps=None if rates is None else float(np.ravel(rates[index])[0]),
        )
    extracted = folder / "extracted_fps.npy"
    if extracted.exists():
        rates = sorted(set(np.ravel(read_object_array(extracted)).tolist()))
        found.notes.append(
            f"extracted_fps.npy says {', '.join(f'{rate:g}' for rate in rates)} frames per second "
            "for all videos; it is not read: the I3D features were made at 25"
        )
    return found


def as_text(value: bytes | str) -> str:
    """Return a name that Python 2 may have stored as bytes."""
    return value.decode() if isinstance(value, bytes) else str(value)


# Label files of every kind.

FETCHED = "fetched.csv"  # file,url,bytes,sha256: what a download writes beside its files
MAX_TEXT = 64 << 20  # bytes of one text file in an archive


def expand_fetched(files: Iterable[Path]) -> list[Path]:
    """Return `files` with each fetched.csv replaced by the files that it lists beside it."""
    found = []
    for path in files:
        if path.name == FETCHED:
            found += [path.with_name(row["file"]) for row in read_rows(path, ("file",))]
        else:
            found.append(path)
    return found


def read_texts(files: Iterable[Path]) -> Iterator[tuple[Path, str, str]]:
    """Yield (file, name, text) of each text file, also of those inside zip archives."""
    for path in files:
        if path.suffix.lower() == ".txt":
            yield path, path.name, read_text(path, errors="replace")
        elif path.suffix.lower() == ".zip" and zipfile.is_zipfile(check_regular(path)):
            yield from _read_zipped_texts(path)


def _read_zipped_texts(path: Path) -> Iterator[tuple[Path, str, str]]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            name = member.filename.rsplit("/", 1)[-1]
            hidden = name.startswith(".") or "__MACOSX" in member.filename
            encrypted = member.flag_bits & 1
            if name.lower().endswith(".txt") and not hidden and not encrypted:
                if member.file_size > MAX_TEXT:
                    raise WstalError(f"{path}: {member.filename} is too large for a text file")
                yield path, name, decode_text(archive.read(member), name, errors="replace")


def read_id_lists(files: Iterable[Path], known: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return text files of one known id per line as lists named after the file.

    Ids may carry a leading `v_`; those that are not `known` are left out. A file of which half of
    the ids or more are not known is not a list of this database.
    """
    lists = {}
    for _, name, text in read_texts(files):
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if not lines or any(len(line.split()) > 1 for line in lines):
            continue
        ids = [line if line in known else line.removeprefix("v_") for line in lines]
        found = [video for video in dict.fromkeys(ids) if video in known]
        if len(found) > len(set(ids)) / 2:
            lists[re.sub(r"[^a-z0-9]+", "_", Path(name).stem.lower())] = found
    return lists


def make_exclusion_lists(
    database: Mapping[str, Mapping[str, Any]], known: Mapping[str, Mapping[str, Any]]
) -> tuple[dict[str, list[str]], list[str]]:
    """Return test lists defined by the videos they leave out, and a note per unavailable list.

    `known` maps a name to `without` (ids) and `videos` (how many the list must have). A list of
    another length is not available under its name, because numbers on it would not be comparable.
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


DURATION_TOLERANCE = 0.2  # seconds


def find_differences(a: PublishedSet, b: PublishedSet) -> list[str]:
    """Return where two sets disagree, a sentence per kind with its count; empty if they agree."""
    found = []
    for one, other in ((a, b), (b, a)):
        if only := sorted(set(one.videos) - set(other.videos)):
            found.append(f"{len(only)} videos only in {one.name}: {_first_ids(only)}")
    both = sorted(set(a.videos) & set(b.videos))
    if moved := [v for v in both if sorted(a.videos[v].segments) != sorted(b.videos[v].segments)]:
        found.append(f"segments differ in {len(moved)} videos: {_first_ids(moved)}")
    timed = [(v, a.videos[v].duration, b.videos[v].duration) for v in both]
    if off := [v for v, x, y in timed if x and y and abs(x - y) > DURATION_TOLERANCE]:
        found.append(
            f"durations differ by over {DURATION_TOLERANCE} s in {len(off)}: {_first_ids(off)}"
        )
    return found


def _first_ids(ids: Sequence[str]) -> str:
    return ", ".join(ids[:5]) + (" ..." if len(ids) > 5 else "")


def hash_files(files: Iterable[Path]) -> dict[str, str]:
    """Return the SHA-256 of each file by its path."""
    return {str(path): file_sha256(path) for path in files}
