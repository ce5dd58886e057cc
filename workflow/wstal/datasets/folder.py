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

from collections.abc import Collection, Iterator, Mapping
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


def read_own_labels(
    labels: str | Path, segments: str | Path | None = None
) -> tuple[Annotations, list[str]]:
    """Read a JSON, or one or two CSV files; return the annotations and notes for the report."""
    if Path(labels).suffix.lower() == SUFFIX:
        return read_own_database(labels)
    return read_folder_annotations(labels, segments), []


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
    and a row without one.
    """
    database: dict[str, dict] = {}
    looked_at: dict[str, bool] = {}  # video: whether somebody marked its segments
    stated: dict[str, bool] = {}  # the same from the column `annotated`, which overrules
    for row in read_rows(labels, ("video", "labels", "split")):
        line, video, split = row.line, video_id(row["video"]), row["split"].strip()
        names = sorted({name.strip() for name in row["labels"].split(";") if name.strip()})
        if split not in SUBSETS:
            raise WstalError(
                f"{labels}, line {line}: split {split!r} is not one of {', '.join(SUBSETS)}"
            )
        if not video or video in database:
            twice = f"{video!r} is listed twice (extensions do not count)"
            problem = twice if video else "the video is not named"
            raise WstalError(f"{labels}, line {line}: {problem}; keep one row per video")
        if split == "train" and not names:
            raise WstalError(
                f"{labels}, line {line}: training video {video!r} has no label; "
                f"name at least one class, or {BACKGROUND} if it shows none, or remove the row"
            )
        if BACKGROUND in names:
            if len(names) > 1:
                raise WstalError(
                    f"{labels}, line {line}: {BACKGROUND} stands for no class and cannot be "
                    f"joined with others ({row['labels']}); keep one or the other"
                )
            names, looked_at[video] = [], True
        if word := row.cells.get("annotated", "").strip().lower():
            if word not in ANNOTATED_WORDS:
                raise WstalError(
                    f"{labels}, line {line}: annotated is {word!r}; write yes, no, or nothing"
                )
            stated[video] = ANNOTATED_WORDS[word]
        database[video] = {"subset": split, "duration": None, "labels": names, "annotations": []}
    if not any(entry["subset"] == "train" for entry in database.values()):
        raise WstalError(f"{labels}: no row has the split train; nothing can be learned")
    if not any(entry["subset"] == "test" for entry in database.values()):
        raise WstalError(
            f"{labels}: no row has the split test; nothing would be scored. Mark some videos test"
        )
    classes = sorted({name for entry in database.values() for name in entry["labels"]})
    if segments:
        seen: dict[tuple, int] = {}  # line of each segment, and of each row without one
        for row in read_rows(segments, ("video", *TIMES, "label"), numbers=TIMES):
            _add_segment(database, classes, row, segments, seen)
        looked_at |= {video: True for video, *_ in seen}
    _mark_unknown(database, looked_at | stated, set(looked_at))
    return Annotations(classes, database)


def _add_segment(
    database: dict, classes: list[str], row: Row, source: str | Path, seen: dict[tuple, int]
) -> None:
    where = f"{source}, line {row.line}"
    video, label = video_id(row["video"]), row["label"].strip()
    if video not in database:
        raise WstalError(f"{where}: video {video!r} has no row in the labels file; add one")
    is_empty = not label and not any(row[name].strip() for name in TIMES)
    others = [at for (name, *rest), at in seen.items() if name == video and (is_empty or not rest)]
    if others:
        raise WstalError(
            f"{where}: a row without times says that {video!r} has no segments, but line "
            f"{others[0]} is about it, too; keep one of them"
        )
    if is_empty:
        seen[(video,)] = row.line
        return
    times = [read_seconds(row[name], f"{where}: {name}") for name in TIMES]
    if label not in classes:
        raise WstalError(f"{where}: no video has the label {label!r}; classes: {classes}")
    segment = read_segment(times, f"{where}: the segment")
    if (line := seen.setdefault((video, label, *segment), row.line)) != row.line:
        raise WstalError(f"{where}: the same segment is in line {line}; keep one of them")
    database[video]["annotations"].append({"segment": segment, "label": label})


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
        names = [row["video"].strip() for row in read_rows(labels, ("video",))]
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
        if video in database:
            raise WstalError(f"{path}: {video!r} is listed twice (extensions do not count)")
        labels, database[video] = _read_entry(entry, f"{path}, video {name}")
        if not labels:
            unlabelled.add(video)
        looked_at[video] = bool(database[video]["annotations"]) or BACKGROUND in labels
        if (stated := entry.get("annotated")) is not None:
            if not isinstance(stated, bool):
                raise WstalError(
                    f"{path}, video {name}: annotated is {stated!r}; expected true or false"
                )
            looked_at[video] = stated
    notes = list(_settle_subsets(database))
    _mark_unknown(database, looked_at, {v for v in database if v not in unlabelled or looked_at[v]})
    for video, entry in database.items():
        if entry["subset"] == "train" and video in unlabelled:
            raise WstalError(
                f"{path}, video {video}: this training video has no label; annotate it, write "
                f'"labels": ["{BACKGROUND}"] if it shows none of the classes, or remove it'
            )
    for subset, purpose in (("train", "train on"), ("test", "test")):
        if not any(entry["subset"] == subset for entry in database.values()):
            raise WstalError(
                f"{path}: no video is left to {purpose}; mark some `training` and some `testing`"
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
