"""Labels of own videos: two CSV files, or one JSON in ActivityNet's format.

labels.csv has the columns video,labels,split: the video's id (its file name without the
extension, or its path below the folder), labels joined by ";", and train, val or test. The label
`background` says that a video shows none of the classes; such a video trains too.
segments.csv has video,t_start,t_end,label in seconds and is used for evaluation only. A row with
the video alone says that somebody looked and found no segment. In both, cells may be separated by
semicolons or tabs, as spreadsheets write them.

The JSON, which most tools for action detection read and write, holds labels and segments:
`{"database": {video: {"subset": ..., "annotations": [{"segment": [s, e], "label": name}]}}}`. A
video may also have `duration` and `labels`; an annotation without `segment` labels the whole video.

A video that is not for training is `annotated` if it has a segment, a row with the video alone, or
the label `background`. The column (key) `annotated`, yes or no (true or false), overrules that.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

from wstal.base.errors import WstalError
from wstal.base.text_files import (
    Row,
    read_json,
    read_name,
    read_names,
    read_rows,
    read_seconds,
    read_segment,
    read_text,
)
from wstal.datasets.annotations import SUBSETS, Annotations

VIDEO_SUFFIXES = (  # of the files that a folder stands for; one that is named may have any
    ".mp4",
    ".mkv",
    ".avi",
    ".mov",
    ".webm",
    ".m4v",
    ".mpg",
    ".mpeg",
    ".flv",
    ".wmv",
    ".ts",
    ".mts",
    ".m2ts",
    ".3gp",
    ".ogv",
    ".vob",
    ".asf",
    ".mxf",
    ".3g2",
    ".f4v",
    ".m2v",
    ".ogm",
    ".dv",
)
BACKGROUND = "background"  # the label of a video that shows none of the classes
SUFFIX = ".json"  # of the second form


def video_id(name: str) -> str:
    """Return the id that a name stands for: the name without a video file's extension."""
    path = PurePosixPath(name.strip())
    if not path.name:
        return ""
    return str(path.with_suffix("")) if path.suffix.lower() in VIDEO_SUFFIXES else str(path)


SHOWN = 5  # messages of a kind; a hundred rows with one slip would hide the others


def first_few(messages: Sequence[str]) -> list[str]:
    """Return the first messages of one kind, and how many more there are."""
    more = len(messages) - SHOWN
    return [*messages[:SHOWN], *([f"and {more} more of this kind"] if more > 0 else [])]


class Mistakes:
    """What cannot be used in label files: messages that name file, line, value and remedy."""

    def __init__(self) -> None:
        self._by_kind: dict[str, list[str]] = {}

    def add(self, kind: str, message: str) -> None:
        """Note one more mistake of a kind."""
        self._by_kind.setdefault(kind, []).append(message)

    def has(self, kind: str) -> bool:
        """Return whether there is a mistake of this kind."""
        return kind in self._by_kind

    def messages(self) -> list[str]:
        """Return the first mistakes of each kind, and how many more there are."""
        return [text for messages in self._by_kind.values() for text in first_few(messages)]

    def refuse(self) -> None:
        """Raise WstalError with all messages, if there are any."""
        if self._by_kind:
            raise WstalError("\n".join(self.messages()))


def read_own_labels(
    labels: str | Path, segments: str | Path | None = None
) -> tuple[Annotations, list[str]]:
    """Read a JSON, or one or two CSV files; return the annotations and notes for the report.

    Raises WstalError with all that cannot be used, a line each.
    """
    if Path(labels).suffix.lower() == SUFFIX:
        return read_own_database(labels)
    return read_folder_annotations(labels, segments), []


def check_own_labels(
    labels: str | Path, segments: str | Path | None = None
) -> tuple[Annotations, list[str], list[str]]:
    """Return what can be used of the same files, the notes, and all that cannot be used."""
    mistakes = Mistakes()
    try:
        if Path(labels).suffix.lower() == SUFFIX:
            annotations, notes = _read_database(labels, mistakes)
        else:
            annotations, notes = _read_folder(labels, segments, mistakes), []
    except WstalError as error:  # nothing in the JSON can be read
        return Annotations([], {}), [], [str(error)]
    found = mistakes.messages()
    return annotations, [] if found else notes, found  # the notes count unusable videos as absent


def read_video_names(labels: str | Path) -> dict[str, str]:
    """Return {id: name as written} in either form; empty if the file is missing or unreadable."""
    if Path(labels).suffix.lower() != SUFFIX:
        return read_csv_names(labels)
    try:
        return {video_id(name): name for name in read_json(labels)["database"]}
    except (WstalError, KeyError, TypeError):
        return {}


# The two CSV files.

TIMES = ("t_start", "t_end")
ANNOTATED_WORDS = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}


def read_folder_annotations(labels: str | Path, segments: str | Path | None = None) -> Annotations:
    """Read labels.csv and segments.csv.

    Raises WstalError that names the file, the line and the remedy for a missing column, an
    unknown split, a repeated video, a time that is none, an empty, inverted or repeated segment,
    a segment of an unlisted video or of a class that no video has, and a video that has segments
    and a row without one. All of them are named, a line each, the first few of each kind.
    """
    mistakes = Mistakes()
    annotations = _read_folder(labels, segments, mistakes)
    mistakes.refuse()
    return annotations


def _read_folder(
    labels: str | Path, segments: str | Path | None, mistakes: Mistakes
) -> Annotations:
    reader = _FolderReader(mistakes)
    reader.read_labels(labels)
    if segments:
        reader.read_segments(segments)
    return reader.annotations()


class _FolderReader:
    """The rows of both files on their way to a database; what cannot be used goes to `mistakes`."""

    def __init__(self, mistakes: Mistakes) -> None:
        self._mistakes = mistakes
        self._database: dict[str, dict[str, Any]] = {}
        self._lines: dict[str, int] = {}  # of each video in labels.csv, also of unusable rows
        self._classes: set[str] = set()
        self._looked_at: dict[str, bool] = {}  # video: whether somebody marked its segments
        self._stated: dict[str, bool] = {}  # the same from the column `annotated`: it overrules
        # Of each video the line of its segments, and of a row without one, ().
        self._seen: dict[str, dict[tuple, int]] = {}
        self._is_whole = False  # every row of labels.csv was read: what is not there is missing

    def annotations(self) -> Annotations:
        """Return what can be used."""
        looked_at = self._looked_at | dict.fromkeys(self._seen, True)
        _mark_unknown(self._database, looked_at | self._stated, set(looked_at))
        return Annotations(sorted(self._classes), self._database)

    def read_labels(self, path: str | Path) -> None:
        """Read all rows of labels.csv."""
        try:
            for row in _read_rows(path, ("video", "labels", "split")):
                self._add_video(row, f"{path}, line {row.line}")
        except WstalError as error:
            self._stop_reading(error, bool(self._lines))
            return
        self._is_whole = True
        subsets = {entry["subset"] for entry in self._database.values()}
        for split, purpose in (("train", "learned"), ("test", "scored")):
            if split not in subsets and not self._mistakes.has("split"):
                self._mistakes.add(
                    "subset",
                    f"{path}: no row has the split {split}, so that nothing would be {purpose}; "
                    f"write {split} in the rows of some videos",
                )

    def read_segments(self, path: str | Path) -> None:
        """Read all rows of segments.csv, after those of labels.csv."""
        try:
            for row in _read_rows(path, ("video", *TIMES, "label"), TIMES):
                self._add_segment(row, f"{path}, line {row.line}")
        except WstalError as error:
            self._stop_reading(error, bool(self._seen))

    def _stop_reading(self, error: WstalError, begun: bool) -> None:
        rest = ". The rows after it are not checked yet" if begun else ""
        self._mistakes.add("file", f"{error}{rest}")

    def _add_video(self, row: Row, where: str) -> None:
        video, split = video_id(row["video"]), row["split"].strip().lower()
        if not video:
            problem = "the video is not named; write the name of its file, or remove the row"
            return self._mistakes.add("unnamed", f"{where}: {problem}")
        if video in self._lines:
            problem = f"{video!r} is listed twice (extensions do not count)"
            first = f"its first row is line {self._lines[video]}; keep one row per video"
            return self._mistakes.add("repeated", f"{where}: {problem}, {first}")
        self._lines[video] = row.line
        names = self._read_names(row, where, video, split)
        self._classes.update(names)
        self._read_stated(row, where, video)
        if split not in SUBSETS:
            return self._mistakes.add(
                "split",
                f"{where}: split {row['split'].strip()!r} is not one of {', '.join(SUBSETS)}; "
                "write one of them",
            )
        self._database[video] = {
            "subset": split,
            "duration": None,
            "labels": names,
            "annotations": [],
        }

    def _read_names(self, row: Row, where: str, video: str, split: str) -> list[str]:
        names = sorted({name.strip() for name in row["labels"].split(";") if name.strip()})
        if split == "train" and not names:
            self._mistakes.add(
                "unlabelled",
                f"{where}: training video {video!r} has no label; "
                f"name at least one class, or {BACKGROUND} if it shows none, or remove the row",
            )
        if BACKGROUND not in names:
            return names
        self._looked_at[video] = True
        names.remove(BACKGROUND)
        if names:
            self._mistakes.add(
                "background",
                f"{where}: {BACKGROUND} stands for no class and cannot be joined with others "
                f"({row['labels']}); keep one or the other",
            )
        return names

    def _read_stated(self, row: Row, where: str, video: str) -> None:
        word = row.cells.get("annotated", "").strip().lower()
        if word in ANNOTATED_WORDS:
            self._stated[video] = ANNOTATED_WORDS[word]
        elif word:
            self._mistakes.add(
                "annotated", f"{where}: annotated is {word!r}; write yes, no, or nothing"
            )

    def _add_segment(self, row: Row, where: str) -> None:
        add = self._mistakes.add
        video, label = video_id(row["video"]), row["label"].strip()
        if video not in self._lines and self._is_whole:
            problem = f"video {video!r} has no row in the labels file; add one"
            return add("unlisted", f"{where}: {problem}, or correct the name")
        is_empty = not label and not any(row[name].strip() for name in TIMES)
        seen = self._seen.get(video, {})
        if others := [at for about, at in seen.items() if is_empty or not about]:
            return add(
                "without",
                f"{where}: a row without times says that {video!r} has no segments, but line "
                f"{others[0]} is about it, too; keep one of them",
            )
        if is_empty:
            self._seen[video] = {(): row.line}
            return None
        try:
            segment = _read_times(row, where)
        except WstalError as error:
            return add("times", str(error))
        if label not in self._classes and self._is_whole:
            classes = f"classes: {sorted(self._classes)}"
            problem = f"no video has the label {label!r}; correct it, or add it to labels"
            return add("label", f"{where}: {problem} ({classes})")
        seen = self._seen.setdefault(video, {})
        if (line := seen.setdefault((label, *segment), row.line)) != row.line:
            return add("again", f"{where}: the same segment is in line {line}; keep one of them")
        if video in self._database and label in self._classes:
            self._database[video]["annotations"].append({"segment": segment, "label": label})


def _read_times(row: Row, where: str) -> list[float]:
    times = [read_seconds(row[name], f"{where}: {name}") for name in TIMES]
    return read_segment(times, f"{where}: the segment")


def _read_rows(
    path: str | Path, columns: Sequence[str], numbers: Collection[str] = ()
) -> Iterator[Row]:
    """Yield the rows as `read_rows` does; upper and lower case in the header are the same.

    Not in `read_rows`: training imports it, and would run again for an edit there.
    """
    header = _header(path)
    spelled = {name: name for name in columns}
    for name in columns:
        found = sorted({each for each in header if each.lower() == name})
        if len(found) > 1:
            raise WstalError(f"{path}: the column {name!r} is repeated ({found}); keep one")
        spelled[name] = found[0] if found else name
    for row in read_rows(path, [*spelled.values()], [spelled[name] for name in numbers]):
        yield Row(row.line, {name.lower(): text for name, text in row.cells.items()})


def _header(path: str | Path) -> list[str]:
    """Return the names of a CSV file's columns; none if it cannot be read, which is said later."""
    with suppress(WstalError, OSError):
        for line in read_text(path).splitlines():
            if line.strip() and not line.lower().startswith("sep="):
                return [name.strip(' "') for name in re.split("[,;\t]", line)]
    return []


def read_segment_lines(segments: str | Path) -> dict[tuple[str, str, float, float], int]:
    """Return {(video, label, start, end): line} of the rows that can be used."""
    lines: dict[tuple[str, str, float, float], int] = {}
    with suppress(WstalError):  # reported when the segments themselves are read
        for row in _read_rows(segments, ("video", *TIMES, "label"), TIMES):
            with suppress(WstalError):
                start, end = _read_times(row, "")
                key = (video_id(row["video"]), row["label"].strip(), start, end)
                lines.setdefault(key, row.line)
    return lines


def _mark_unknown(
    database: dict[str, dict[str, Any]], annotated: Mapping[str, bool], labelled: Collection[str]
) -> None:
    """Mark the videos to score whose segments nobody marked, and whose classes nobody named."""
    for video, entry in database.items():
        if entry["subset"] != "train":
            if not annotated.get(video, False):
                entry["annotated"] = False
            if not entry["labels"] and video not in labelled:
                entry["labelled"] = False


def read_csv_names(labels: str | Path) -> dict[str, str]:
    """Return {id: name} as labels.csv has it; empty if the file is missing or cannot be read."""
    with suppress(WstalError):  # reported when the rows themselves are read
        names = [row["video"].strip() for row in _read_rows(labels, ("video",))]
        return {video_id(name): name for name in names if name}
    return {}


# The JSON in ActivityNet's format.

SUBSET_WORDS = {
    "training": "train",
    "validation": "val",
    "testing": "test",
    "train": "train",
    "val": "val",
    "test": "test",
}


def read_own_database(path: str | Path) -> tuple[Annotations, list[str]]:
    """Read a JSON; return the annotations, and what was decided about subsets, a sentence each.

    Validation videos train if there are no training videos, and are tested if no test video has a
    label. Raises WstalError that names the file, the video, the key, the value and the remedy for
    an unknown subset, a training video without a label, a video listed twice, a value of another
    type, a time out of range, and a segment that is empty, inverted or repeated.
    """
    mistakes = Mistakes()
    annotations, notes = _read_database(path, mistakes)
    mistakes.refuse()
    return annotations, notes


def _read_database(path: str | Path, mistakes: Mistakes) -> tuple[Annotations, list[str]]:
    content = read_json(path, "labels as JSON, or as CSV")
    videos = content.get("database") if isinstance(content, Mapping) else None
    if not isinstance(videos, Mapping):
        raise WstalError(
            f'{path} is not in ActivityNet\'s format; expected {{"database": {{video: {{"subset": '
            '"training", "annotations": [{"segment": [1.2, 3.4], "label": "name"}]}}}'
        )
    database: dict[str, dict[str, Any]] = {}
    unlabelled = set()
    looked_at = {}  # video: whether somebody marked its segments
    for name, entry in videos.items():
        video = video_id(name)
        try:
            if video in database:
                raise WstalError(f"{path}: {video!r} is listed twice (extensions do not count)")
            labels, database[video] = _read_entry(entry, f"{path}, video {name}")
        except WstalError as error:
            mistakes.add("entry", str(error))
            continue
        if not labels:
            unlabelled.add(video)
        stated = entry.get("annotated")
        has_any = bool(database[video]["annotations"]) or BACKGROUND in labels
        looked_at[video] = has_any if stated is None else stated
    notes = list(_settle_subsets(database))
    _mark_unknown(database, looked_at, {v for v in database if v not in unlabelled or looked_at[v]})
    for video, entry in database.items():
        if entry["subset"] == "train" and video in unlabelled:
            mistakes.add(
                "unlabelled",
                f"{path}, video {video}: this training video has no label; annotate it, write "
                f'"labels": ["{BACKGROUND}"] if it shows none of the classes, or remove it',
            )
    for subset, purpose in (("train", "train on"), ("test", "test")):
        is_used = any(entry["subset"] == subset for entry in database.values())
        if not is_used and not mistakes.has("entry"):
            mistakes.add(
                "subset",
                f"{path}: no video is left to {purpose}; mark some `training` and some `testing`",
            )
    classes = sorted({label for entry in database.values() for label in entry["labels"]})
    return Annotations(classes, database), notes


def _read_entry(entry: Any, where: str) -> tuple[set[str], dict[str, Any]]:
    """All labels of a video, background included, and its entry in the database."""
    if not isinstance(entry, Mapping):
        raise WstalError(f"{where} is {entry!r}; expected an object with subset and annotations")
    subset = str(entry.get("subset")).strip().lower()
    if subset not in SUBSET_WORDS:
        raise WstalError(f"{where}: subset {subset!r} is not one of {', '.join(SUBSET_WORDS)}")
    labels, given = (
        entry[k] if entry.get(k) is not None else [] for k in ("labels", "annotations")
    )
    labels = set(read_names(labels, f"{where}: labels"))
    if not isinstance(given, list):
        raise WstalError(f"{where}: annotations is {given!r}; expected a list")
    segments: list[dict[str, Any]] = []
    seen: set[tuple] = set()
    for number, item in enumerate(given):
        here = f"{where}: annotations[{number}]"
        if not isinstance(item, Mapping):
            raise WstalError(f"{here} is {item!r}; expected an object with segment and label")
        label = read_name(item.get("label"), f"{here}: its 'label'")
        labels.add(label)
        if item.get("segment") is None:
            continue
        segment = read_segment(item["segment"], f"{here}: segment")
        if (label, *segment) in seen:
            raise WstalError(f"{here}: segment {segment} of {label!r} is repeated; keep one")
        seen.add((label, *segment))
        segments.append({"segment": segment, "label": label})
    duration = entry.get("duration")
    if duration is not None and read_seconds(duration, f"{where}: duration") == 0:
        raise WstalError(f"{where}: duration is {duration!r}; give seconds, or leave it out")
    stated = entry.get("annotated")
    if stated is not None and not isinstance(stated, bool):
        raise WstalError(f"{where}: annotated is {stated!r}; expected true or false")
    if BACKGROUND in labels and (len(labels) > 1 or segments):
        raise WstalError(
            f"{where}: {BACKGROUND} stands for no class and cannot be joined with others, or have "
            "a segment; keep one or the other"
        )
    return labels, {
        "subset": SUBSET_WORDS[subset],
        "duration": None if duration is None else float(duration),
        "labels": sorted(labels - {BACKGROUND}),
        "annotations": segments,
    }


def _settle_subsets(database: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Let validation videos train or be tested if no others can; yield what was decided."""
    by_subset = {
        subset: [video for video, entry in database.items() if entry["subset"] == subset]
        for subset in ("train", "val", "test")
    }
    if by_subset["val"] and not by_subset["train"]:
        yield "There is no training video: validation trains."
        for video in by_subset["val"]:
            database[video]["subset"] = "train"
    elif by_subset["val"] and not any(database[video]["labels"] for video in by_subset["test"]):
        count = len(by_subset["test"])
        names = ", ".join(by_subset["test"][:3])
        left = f"{count} test videos have no label and are left out ({names})"
        yield f"{left if count else 'There is no test video'}: validation is tested."
        for video in by_subset["test"]:
            del database[video]
        for video in by_subset["val"]:
            database[video]["subset"] = "test"
