"""Own videos: a labels.csv, optionally a segments.csv, turned into the annotation database.

labels.csv has the columns video,labels,split: the video's id (its file name without the
extension, or its path below the folder), labels joined by ";", and train, val or test. The label
`background` says that a video shows none of the classes; it trains as such.
segments.csv has video,t_start,t_end,label in seconds and serves evaluation only.
Both may have semicolons or tabs between their cells, as spreadsheets write them.
"""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

from wstal.base.errors import WstalError
from wstal.datasets.annotations import SUBSETS, Annotations

VIDEO_SUFFIXES = (
    *(".mp4", ".mkv", ".avi", ".mov", ".webm", ".m4v", ".mpg", ".mpeg", ".flv", ".wmv"),
    *(".ts", ".mts", ".m2ts", ".3gp", ".ogv", ".vob", ".asf"),
)
BACKGROUND = "background"  # the label of a video without any class
DELIMITERS = ",;\t"  # between cells; a spreadsheet writes the second where decimals have a comma
TIMES = ("t_start", "t_end")


def video_id(name: str) -> str:
    """The id of a row: the name without a video file's extension."""
    path = PurePosixPath(name.strip())
    if not path.name:
        return ""
    return str(path.with_suffix("")) if path.suffix.lower() in VIDEO_SUFFIXES else str(path)


def named_files(labels: str | Path) -> dict[str, str]:
    """Id -> name as labels.csv has it; empty while that is absent or has no such column."""
    if not Path(labels).is_file():
        return {}
    text = Path(labels).read_text(encoding="utf-8-sig", errors="replace")
    with suppress(csv.Error):  # for reading the rows themselves to tell
        names = [(row.get("video") or "").strip() for row in _table(text)]
        return {video_id(name): name for name in names if name}
    return {}


def read_folder_annotations(labels: str | Path, segments: str | Path | None = None) -> Annotations:
    """Read labels.csv and segments.csv.

    Raises WstalError naming the file, the line and the remedy for a missing column, an
    unknown split, a repeated video, an empty or inverted segment, a segment of an unlisted
    video or of a class no video carries.
    """
    database: dict[str, dict] = {}
    for line, row in _rows(labels, ("video", "labels", "split")):
        video, split = video_id(row["video"]), row["split"].strip()
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
            names = []
        database[video] = {"subset": split, "duration": None, "labels": names, "annotations": []}
    if not any(entry["subset"] == "train" for entry in database.values()):
        raise WstalError(f"{labels}: no row has the split train; nothing can be learned")
    if not any(entry["subset"] == "test" for entry in database.values()):
        raise WstalError(
            f"{labels}: no row has the split test; nothing would be scored. Mark some videos test"
        )
    classes = sorted({name for entry in database.values() for name in entry["labels"]})
    for line, row in _rows(segments, ("video", "t_start", "t_end", "label")) if segments else ():
        _add_segment(database, classes, row, f"{segments}, line {line}")
    return Annotations(classes, database)


def doubts(annotations: Annotations) -> list[str]:
    """What own label files say that may be meant, and may be a slip: a sentence each."""
    database, classes = annotations.database, annotations.classes
    taught = {n for each in database.values() if each["subset"] == "train" for n in each["labels"]}
    alike: dict[str, list[str]] = {}
    for name in classes:
        alike.setdefault(" ".join(name.replace("_", " ").lower().split()), []).append(name)
    found = [
        f"{', '.join(names)} are {len(names)} classes; if one is meant, spell it alike everywhere."
        for names in alike.values()
        if len(names) > 1
    ]
    found += [
        f"No training video has the class {name!r}: it cannot be learned, but counts where scored."
        for name in classes
        if name not in taught
    ]
    unlisted = {
        f"{video} {item['label']!r}": None
        for video, each in database.items()
        for item in each["annotations"]
        if item["label"] not in each["labels"]
    }
    if unlisted:
        shown = ", ".join(list(unlisted)[:5]) + (", ..." if len(unlisted) > 5 else "")
        found.append(
            f"Classes that segments give a video and its row of the labels does not: {shown}. "
            "Training and video_mAP go by the row."
        )
    return found


def _add_segment(database: dict, classes: list[str], row: dict[str, str], where: str) -> None:
    video, label = video_id(row["video"]), row["label"].strip()
    try:
        start, end = float(row["t_start"]), float(row["t_end"])
    except ValueError as error:
        raise WstalError(f"{where}: {error}; times are seconds, for example 12.48") from error
    if video not in database:
        raise WstalError(f"{where}: video {video!r} has no row in the labels file; add one")
    if label not in classes:
        raise WstalError(f"{where}: label {label!r} is carried by no video; classes: {classes}")
    if not 0 <= start < end < float("inf"):
        raise WstalError(f"{where}: segment {start} to {end} s is empty, inverted or negative")
    database[video]["annotations"].append({"segment": [start, end], "label": label})


def _rows(path: str | Path, columns: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    """Line and cells of each row that has any; in files with semicolons 1,5 is a time."""
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise WstalError(
            f"{path} cannot be read ({error.strerror}); it should be a CSV file with the "
            f"columns {','.join(columns)}"
        ) from error
    except UnicodeDecodeError as error:
        raise WstalError(f"{path} is not UTF-8 ({error}); save it as CSV UTF-8") from error
    table = _table(text)
    if absent := [name for name in columns if name not in table.fieldnames]:
        raise WstalError(
            f"{path}: columns {absent} are missing from its first line "
            f"{table.fieldnames}; expected {','.join(columns)}"
        )
    delimiter = table.reader.dialect.delimiter
    try:
        for row in table:
            if surplus := "".join(row.pop(None, ())).strip():
                raise WstalError(
                    f"{path}, line {table.line_num}: there are more cells than columns, and "
                    f"{surplus!r} is in none; labels are joined by ;, and a name or label that "
                    f"contains {delimiter!r} stands in double quotes"
                )
            cells = {name: row[name] or "" for name in columns}
            if delimiter != ",":
                cells |= {name: cells[name].replace(",", ".") for name in TIMES if name in cells}
            if any(cell and cell.strip() for cell in row.values()):
                yield table.line_num, cells
    except csv.Error as error:
        raise WstalError(
            f"{path}, line {table.line_num}: {error}; is a double quote left open above?"
        ) from error


def _table(text: str) -> csv.DictReader:
    """Its rows by column, in composed Unicode: the same word may be spelt in two ways."""
    first = next(iter(text.splitlines()), "")
    delimiter = max(DELIMITERS, key=first.count)
    lines = io.StringIO(unicodedata.normalize("NFC", text), newline=None)
    table = csv.DictReader(lines, delimiter=delimiter, skipinitialspace=True)
    table.fieldnames = [name.strip() for name in table.fieldnames or ()]
    return table


# FOLDED Own labels in ActivityNet's JSON format, which most tools for action detection read and write.
# FOLDED
# FOLDED `{"database": {video: {"subset": ..., "annotations": [{"segment": [s, e], "label": name}]}}}`, one
# FOLDED file for labels and segments. A video may have `duration` and `labels` besides; an annotation
# FOLDED without `segment` is a label of its video alone.

SUBSET_WORDS = {
    **{"training": "train", "validation": "val", "testing": "test"},
    **{"train": "train", "val": "val", "test": "test"},
}
SUFFIX = ".json"


def read_own_labels(
    labels: str | Path, segments: str | Path | None = None
) -> tuple[Annotations, list[str]]:
    """Annotations of own videos from a JSON, or from one or two CSV files; notes for a report."""
    if Path(labels).suffix.lower() == SUFFIX:
        return read_own_database(labels)
    return read_folder_annotations(labels, segments), []


def own_files(labels: str | Path) -> dict[str, str]:
    """Id -> name in either form; empty while the file is absent or of another form."""
    if Path(labels).suffix.lower() != SUFFIX:
        return named_files(labels)
    try:
        return {video_id(name): name for name in _content(Path(labels))["database"]}
    except (WstalError, KeyError, TypeError):
        return {}


def read_own_database(path: str | Path) -> tuple[Annotations, list[str]]:
    """Read a JSON; also what was decided about its subsets, in sentences.

    Where no video trains, those for validation do; where none can be tested, they are. Raises
    WstalError naming the file, the video and the remedy for an unknown subset, a training video
    without a label, a video listed twice, and a segment that is empty, inverted or no times.
    """
    content = _content(Path(path))
    videos = content.get("database") if isinstance(content, Mapping) else None
    if not isinstance(videos, Mapping):
        raise WstalError(
            f'{path} is not in ActivityNet\'s format; expected {{"database": {{video: {{"subset": '
            '"training", "annotations": [{"segment": [1.2, 3.4], "label": "name"}]}}}'
        )
    database: dict[str, dict[str, Any]] = {}
    unlabelled = set()
    for name, entry in videos.items():
        video = video_id(name)
        if video in database:
            raise WstalError(f"{path}: {video!r} is listed twice (extensions do not count)")
        labels, database[video] = _entry(entry, f"{path}, video {name}")
        if not labels:
            unlabelled.add(video)
    notes = list(_settle_subsets(database))
    for video, entry in database.items():
        if entry["subset"] == "train" and video in unlabelled:
            raise WstalError(
                f"{path}, video {video}: it trains and has no label; annotate it, say "
                f'"labels": ["{BACKGROUND}"] if it shows none of the classes, or remove it'
            )
    for subset, deed in (("train", "train on"), ("test", "test")):
        if not any(entry["subset"] == subset for entry in database.values()):
            raise WstalError(
                f"{path}: no video is left to {deed}; mark some `training` and some `testing`"
            )
    classes = sorted({label for entry in database.values() for label in entry["labels"]})
    return Annotations(classes, database), notes


def _content(path: Path) -> Any:
    """What the file holds, in composed Unicode as `folder._table`."""
    try:
        return json.loads(unicodedata.normalize("NFC", path.read_text(encoding="utf-8-sig")))
    except (OSError, ValueError, RecursionError) as error:
        raise WstalError(f"{path} is not JSON ({error}); correct it, or write CSV") from error


def _entry(entry: Any, where: str) -> tuple[set[str], dict[str, Any]]:
    """All that a video is labelled with, background too, and its entry in the database."""
    try:
        subset, given = str(entry["subset"]).strip().lower(), entry.get("annotations") or []
        labels = {str(name).strip() for name in entry.get("labels") or ()}
        labels |= {str(item["label"]).strip() for item in given}
        segments = [
            {"segment": _times(item["segment"], where), "label": str(item["label"]).strip()}
            for item in given
            if item.get("segment") is not None
        ]
        duration = None if entry.get("duration") is None else float(entry["duration"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise WstalError(f"{where}: the entry cannot be read ({error!r})") from error
    if subset not in SUBSET_WORDS:
        raise WstalError(f"{where}: subset {subset!r} is not one of {', '.join(SUBSET_WORDS)}")
    if BACKGROUND in labels and (len(labels) > 1 or segments):
        raise WstalError(
            f"{where}: {BACKGROUND} stands for no class and cannot be joined with others, or have "
            "a segment; keep one or the other"
        )
    return labels, {
        "subset": SUBSET_WORDS[subset],
        "duration": duration,
        "labels": sorted(labels - {BACKGROUND}),
        "annotations": segments,
    }


def _times(segment: Any, where: str) -> list[float]:
    try:
        start, end = map(float, segment)
    except (TypeError, ValueError) as error:
        raise WstalError(f"{where}: {segment} are no two times in seconds") from error
    if not 0 <= start < end < float("inf"):
        raise WstalError(f"{where}: segment {segment} is empty, inverted or negative; correct it")
    return [start, end]


def _settle_subsets(database: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Give validation the part that nothing else plays, and say so."""
    of = {
        subset: [video for video, entry in database.items() if entry["subset"] == subset]
        for subset in ("train", "val", "test")
    }
    if of["val"] and not of["train"]:
        yield "There is no training video: validation trains."
        for video in of["val"]:
            database[video]["subset"] = "train"
    elif of["val"] and not any(database[video]["labels"] for video in of["test"]):
        count = len(of["test"])
        left = f"{count} test videos have no label and are left out ({', '.join(of['test'][:3])})"
        yield f"{left if count else 'There is no test video'}: validation is tested."
        for video in of["test"]:
            del database[video]
        for video in of["val"]:
            database[video]["subset"] = "test"
