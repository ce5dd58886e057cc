"""Ground truth from annotations.json or any file in ActivityNet's format, and its coverage.

`GroundTruth` holds the annotated segments by video. `Coverage` counts how much of the ground
truth a number is based on, as some videos may have no features.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from wstal.base.errors import WstalError
from wstal.base.files import from_sheet, require_ids
from wstal.base.text_files import LONGEST, Row, read_json, read_rows, read_text
from wstal.datasets.folder import video_id

COLUMNS = ["video_id", "t_start", "t_end", "label"]
EXPECTED = "ground truth in ActivityNet's format"
# The scored subset becomes `test`: ActivityNet withholds its test labels and scores validation.
SUBSETS = {"test": "test", "validation": "val", "val": "val", "training": "train", "train": "train"}


@dataclass(frozen=True)
class GroundTruth:
    """Videos with subset, duration (seconds or None), video-level labels, and their segments.

    `frame` holds all segments (video_id, t_start, t_end, label, in seconds); `ambiguous` holds
    those that are neither action nor background, or None if the file has no such list. Nobody
    marked the segments of the videos in `unannotated`, nobody named the classes of those in
    `unlabelled`.
    """

    source: str
    classes: list[str]
    subset: dict[str, str]
    duration: dict[str, float | None]
    labels: dict[str, list[str]]
    frame: pd.DataFrame
    lists: dict[str, list[str]] = field(default_factory=dict)
    ambiguous: pd.DataFrame | None = None
    unannotated: frozenset[str] = frozenset()
    unlabelled: frozenset[str] = frozenset()

    def ids(self, subsets: Collection[str]) -> list[str]:
        """Return the ids of some subsets; raise WstalError if there are none."""
        found = [video for video, subset in self.subset.items() if subset in subsets]
        if not found:
            raise WstalError(
                f"{self.source}: no video is in the subset {', '.join(subsets)}; "
                f"subsets and their videos: {dict(Counter(self.subset.values()))}"
            )
        return found

    def segments(self, videos: Collection[str]) -> pd.DataFrame:
        """Return the segments of these videos."""
        return self.frame[self.frame["video_id"].isin(videos)]

    def label_matrix(self, videos: Collection[str]) -> np.ndarray:
        """Return the video-level labels, bool `[V, C]`."""
        return np.array(
            [[name in self.labels[video] for name in self.classes] for video in videos], dtype=bool
        ).reshape(len(videos), len(self.classes))

    def ambiguous_segments(self, protocol: str) -> pd.DataFrame:
        """Return the ambiguous segments; raise WstalError if there is no list of them."""
        if self.ambiguous is None:
            raise WstalError(
                f"{self.source}: protocol {protocol} needs the ambiguous segments and the file "
                "has none; give the list (--ambiguous Ambiguous_test.txt) or choose a protocol "
                "with `ambiguous: ignore`"
            )
        return self.ambiguous

    def with_ambiguous(self, path: str | Path) -> GroundTruth:
        """Return a copy with the ambiguous segments of a THUMOS14 list: lines `video start end`."""
        rows = []
        lines = read_text(path, "the list of ambiguous segments").split("\n")
        for number, line in enumerate(lines, 1):
            try:
                if line.strip():
                    video, start, end = line.split()
                    rows.append((video, float(start), float(end)))
            except ValueError as error:
                raise WstalError(
                    f"{path}, line {number}: {line!r} is not `video start end`"
                ) from error
        return replace(self, ambiguous=pd.DataFrame(rows, columns=COLUMNS[:3]))


def read_ground_truth(path: str | Path, subset: str | None = None) -> GroundTruth:
    """Read annotations.json, a file in ActivityNet's format from any tool (also gzipped), or CSV.

    CSV has the columns video, t_start, t_end, label, as segments.csv; all its videos are scored.
    `subset` names the subset to score in the file's own word. By default that is `test` if its
    videos have segments (in this project's files, also if they only have labels), else
    `validation`, which ActivityNet scores. Raises WstalError that names file, video and value for
    an entry that cannot be used.
    """
    try:
        is_table = Path(path).suffix.lower() == ".csv"
        content = _read_table(path) if is_table else read_json(path, EXPECTED)
        database = content["database"]
        entries = {str(video): dict(entry) for video, entry in database.items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise WstalError(
            f"{path} is not ground truth in ActivityNet's format ({error!r}); expected "
            '{"database": {video: {"subset": ..., "annotations": [{"segment": [s, e], "label": '
            "...}]}}}"
        ) from error
    rows = [row for video, entry in entries.items() for row in _segments(path, video, entry)]
    frame = pd.DataFrame(rows, columns=COLUMNS).astype({"t_start": float, "t_end": float})
    labels = {video: _labels(path, video, entry) for video, entry in entries.items()}
    classes = content.get("classes") or sorted(
        {name for names in labels.values() for name in names}
    )
    named = {name for each in labels.values() for name in each} | set(frame["label"])
    if unknown := sorted(named - set(classes)):
        raise WstalError(f"{path}: labels {unknown} are not among its classes {classes}")
    return GroundTruth(
        str(path),
        classes,
        _name_subsets(path, entries, set(frame["video_id"]), subset, "classes" in content),
        {video: entry.get("duration") for video, entry in entries.items()},
        labels,
        frame,
        content.get("lists", {}),
        _read_ambiguous(content, entries),
        *(
            frozenset(video for video, entry in entries.items() if entry.get(key) is False)
            for key in ("annotated", "labelled")
        ),
    )


def _read_table(path: str | Path) -> dict[str, Any]:
    """The content of a CSV file in ActivityNet's layout; a row of a video alone has no segment."""
    database: dict[str, dict[str, Any]] = {}
    times = ("t_start", "t_end")
    for row in read_rows(path, ("video", *times, "label"), times):
        entry = database.setdefault(video_id(row["video"]), {"subset": "test", "annotations": []})
        if not any(row[name].strip() for name in (*times, "label")):
            continue
        try:
            segment = [float(row[name]) for name in times]
        except ValueError as error:
            raise WstalError(f"{path}, line {row.line}: {error}; expected seconds") from error
        entry["annotations"].append({"segment": segment, "label": row["label"].strip()})
    return {"database": database}


def _annotations(entry: Mapping[str, Any]) -> list[dict[str, Any]]:
    return entry.get("annotations") or []


def _labels(path: str | Path, video: str, entry: Mapping[str, Any]) -> list:
    given = entry.get("labels")
    if given is None:
        return sorted({row["label"] for row in _annotations(entry)})
    if not isinstance(given, list) or not all(isinstance(name, str | int) for name in given):
        raise WstalError(f"{path}: video {video}: labels is {given!r}; expected a list of names")
    if "" in given:
        raise WstalError(f"{path}: video {video}: labels has an empty name; name the class")
    return list(given)


def _segments(path: str | Path, video: str, entry: Mapping[str, Any]) -> list[tuple]:
    rows = []
    for item in _annotations(entry):
        try:
            if isinstance(item["segment"], str):
                raise TypeError("segment is not two times")
            start, end = (float(time) for time in item["segment"])
            if not isinstance(label := item["label"], str | int):
                raise TypeError(f"label {label!r} is not a name")
        except (KeyError, TypeError, ValueError) as error:
            raise WstalError(
                f"{path}: video {video}: {item} is not a segment with a label ({error!r})"
            ) from error
        if not 0 <= start <= end <= LONGEST:
            raise WstalError(
                f"{path}: video {video}: segment {start} to {end} s is negative, inverted or not "
                "in seconds; correct it or remove it"
            )
        rows.append((video, start, end, label))
    return rows


def _name_subsets(
    path: str | Path, entries: Mapping, annotated: set[str], subset: str | None, ours: bool
) -> dict[str, str]:
    """Each video's subset as train, val or test; the one to score becomes test."""
    found = {video: str(entry.get("subset", "test")).lower() for video, entry in entries.items()}
    scored = subset.lower() if subset else ("test" if ours else _annotated_subset(found, annotated))
    if scored not in found.values():
        raise WstalError(
            f"{path}: no video is in the subset {scored!r}; "
            f"subsets and their videos: {dict(Counter(found.values()))}"
        )
    names = {name: SUBSETS.get(name, name) for name in found.values()}
    if scored != "test":
        names |= {"test": "unscored", "testing": "unscored", scored: "test"}
    return {video: names[name] for video, name in found.items()}


def _annotated_subset(found: Mapping[str, str], annotated: set[str]) -> str:
    with_segments = {found[video] for video in annotated}
    for name in ("test", "testing", "validation", "val"):
        if name in with_segments:
            return name
    return "test"


def _read_ambiguous(content: Mapping[str, Any], entries: Mapping[str, Any]) -> pd.DataFrame | None:
    """The segments under the entries' `ambiguous` key, if the file has the list `ambiguous`."""
    if "ambiguous" not in content.get("lists", {}):
        return None
    rows = [
        (video, *map(float, segment))
        for video, entry in entries.items()
        for segment in entry.get("ambiguous", [])
    ]
    return pd.DataFrame(rows, columns=COLUMNS[:3]).astype({"t_start": float, "t_end": float})


@dataclass(frozen=True)
class Coverage:
    """How many videos and instances have features, of all that the protocol names."""

    videos: int
    expected_videos: int
    instances: int
    expected_instances: int
    missing: tuple[str, ...] = ()
    left_out: str = ""  # videos that are not scored because nobody annotated them

    def __str__(self) -> str:
        """Return the text of the coverage column."""
        return (
            f"{self.videos}/{self.expected_videos} videos; "
            f"{self.instances}/{self.expected_instances} instances"
        ) + (f"; {self.left_out} left out" if self.left_out else "")


def coverage_of(
    instances: pd.DataFrame,
    videos: Collection[str],
    usable: Collection[str] | None,
    expected: int | None = None,
    left_out: str = "",
) -> Coverage:
    """Return the coverage of `videos` and their `instances` by the `usable` ones (None: all).

    `expected` is how many videos there should be, as the ground truth itself may miss some;
    `left_out` names the videos that are not among `videos` as nobody annotated them.
    """
    missing = sorted(set(videos) - set(videos if usable is None else usable))
    lost = int(np.count_nonzero(instances["video_id"].isin(missing)))
    return Coverage(
        len(videos) - len(missing),
        len(videos) if expected is None else expected,
        len(instances) - lost,
        len(instances),
        tuple(missing),
        left_out,
    )


def read_usable(path: str | Path, expected: Iterable[str] = ()) -> set[str]:
    """Read the ids with features from coverage.csv.

    Raises WstalError that names the file for a missing column, a repeated id and an id of
    `expected` without a row: it has no record, which does not mean that it has no features.
    """
    counts = {}
    for row in _rows_by_id(path, "rows", "the coverage.csv of features.h5"):
        if not row["rows"].isdecimal():
            raise WstalError(f"{path}, line {row.line}: rows {row['rows']!r} is not a count")
        counts[row["id"]] = int(row["rows"])
    require_ids(path, counts, expected)
    return {video for video, count in counts.items() if count}


def read_durations(manifest: str | Path) -> dict[str, float]:
    """Read durations in seconds from manifest.csv, of the videos that have one.

    Raises WstalError that names the file for a missing column, a repeated id and another value.
    """
    found = {}
    for row in _rows_by_id(manifest, "duration", "a manifest.csv of this project"):
        try:
            seconds = float(row["duration"] or 0)
        except ValueError as error:
            raise WstalError(f"{manifest}, line {row.line}: duration: {error}") from error
        if seconds > 0:
            found[row["id"]] = seconds
    return found


def _rows_by_id(path: str | Path, column: str, expected: str) -> Iterator[Row]:
    seen = set()
    for row in read_rows(path, ("id", column), expected=expected):
        if row["id"] in seen:
            raise WstalError(f"{path}, line {row.line}: id {row['id']!r} is repeated; keep one row")
        seen.add(row["id"])
        yield Row(row.line, {**row.cells, "id": from_sheet(row["id"])})


def find_late_segments(segments: pd.DataFrame, durations: Mapping[str, float]) -> str:
    """Return a warning on segments that end over 1 s after their video; "" if there are none."""
    ends = segments["video_id"].map(durations).astype(float)
    late = segments[segments["t_end"] > ends + 1]
    if late.empty:
        return ""
    first = late.iloc[0]
    return (
        f"{len(late)} of {len(segments)} annotated segments end after their video, such as "
        f"{first['video_id']} {first['t_start']:g} to {first['t_end']:g} s of "
        f"{ends[late.index[0]]:.1f} s: are the times in seconds, and of this file?"
    )
