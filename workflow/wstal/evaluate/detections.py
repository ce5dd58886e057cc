"""Detections in files of ActivityNet's format or in CSV, read and checked."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from wstal.base.errors import WstalError
from wstal.base.text_files import read_json, read_rows
from wstal.datasets.folder import video_id

EXPECTED = "detections in ActivityNet's format"
COLUMNS = ["video_id", "t_start", "t_end", "label", "score"]


def read_detections(path: str | Path) -> pd.DataFrame:
    """Read proposals.json, any tool's file in ActivityNet's format, or CSV.

    CSV has the columns video, t_start, t_end, label, score; a video's name may have its file's
    extension. Returns a frame video_id, t_start, t_end, label, score (seconds) in file order.
    Raises WstalError that names file, video, entry and remedy for a segment that is negative,
    inverted or not finite, and for a score that is not a finite number.
    """
    if is_csv(path):
        return _frame(path, _rows_of_csv(path))
    return _frame(path, _rows(path, _results(path, read_json(path, EXPECTED))))


def is_csv(path: str | Path) -> bool:
    """Return whether a file's name says that it is CSV."""
    return Path(path).suffix.lower() == ".csv"


def read_detections_by_iteration(path: str | Path) -> dict[int, pd.DataFrame]:
    """Read the detections of each evaluation interval.

    The file is `{"iterations": {"200": results}}`, plain or gzipped. Returns a frame, as
    `read_detections`, by iteration.
    """
    content = read_json(path, EXPECTED)
    if not isinstance(content, dict) or not isinstance(content.get("iterations"), dict):
        raise WstalError(f'{path}: expected {{"iterations": {{"200": results, ...}}}}')
    iterations = content["iterations"].items()
    frames = {int(key): _frame(path, _rows(path, value)) for key, value in iterations}
    return dict(sorted(frames.items()))


def check_detections(
    frame: pd.DataFrame, videos: Collection[str], classes: Collection[str], source: str | Path
) -> None:
    """Raise WstalError for a detection of a video or label that is not in the ground truth."""
    for column, known, what in (("video_id", videos, "videos"), ("label", classes, "labels")):
        if unknown := sorted(set(frame[column]) - set(known), key=repr):
            count = int(frame[column].isin(unknown).sum())
            example = next(iter(sorted(known, key=repr)), "none")
            if not isinstance(unknown[0], str) and isinstance(example, str):
                raise WstalError(
                    f"{source}: {count} detections have {what} that are not names, such as "
                    f"{unknown[0]!r}; the ground truth has names such as {example!r}. Write the "
                    "class names in place of their numbers"
                )
            raise WstalError(
                f"{source}: {count} detections have {len(unknown)} {what} that are not in the "
                f"ground truth, such as {', '.join(map(repr, unknown[:3]))}; it has {len(known)} "
                f"such as {example!r}. Rename them, or remove them from the file"
            )


def _results(path: str | Path, content: Any) -> Mapping[str, Any]:
    if not isinstance(content, dict) or not isinstance(content.get("results"), dict):
        raise WstalError(
            f'{path} is not in ActivityNet\'s format; expected {{"results": {{video: '
            '[{"segment": [start, end], "score": ..., "label": ...}]}}'
        )
    return content["results"]


def _frame(path: str | Path, rows: Iterator[tuple]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=COLUMNS)
    return frame.astype({"t_start": float, "t_end": float, "score": float})


def _rows(path: str | Path, results: Mapping[str, Any]) -> Iterator[tuple]:
    for video, entries in results.items():
        if not isinstance(entries, list):
            raise WstalError(f"{path}: video {video}: expected a list of detections")
        for number, entry in enumerate(entries):
            where = f"{path}: video {video}, detection {number}"
            try:
                if isinstance(entry["segment"], str):
                    raise TypeError("segment is not two times")
                (start, end), label = map(float, entry["segment"]), entry["label"]
                score = float(entry["score"])
                hash(label)
            except (KeyError, TypeError, ValueError) as error:
                raise WstalError(
                    f"{where}: {entry} ({error!r}); expected segment [start, end], label, score"
                ) from error
            yield _checked_row(where, video, start, end, label, score)


def _rows_of_csv(path: str | Path) -> Iterator[tuple]:
    numbers = ("t_start", "t_end", "score")
    for row in read_rows(path, ("video", "t_start", "t_end", "label", "score"), numbers):
        where, video = f"{path}, line {row.line}", video_id(row["video"])
        if not any(row[name].strip() for name in (*numbers, "label")):
            continue  # a video in which nothing was found
        try:
            start, end, score = (float(row[name]) for name in numbers)
        except ValueError as error:
            raise WstalError(f"{where}: {error}; expected t_start, t_end and score") from error
        yield _checked_row(where, video, start, end, row["label"].strip(), score)


def _checked_row(
    where: str, video: str, start: float, end: float, label: Any, score: float
) -> tuple[str, float, float, Any, float]:
    if not (abs(start) < float("inf") and abs(end) < float("inf")):
        raise WstalError(f"{where}: segment {start} to {end} is not finite; remove it")
    if start < 0 or end < start:
        problem = "begins before the video" if start < 0 else "ends before it starts"
        raise WstalError(f"{where}: segment {start} to {end} s {problem}; clip or remove it")
    if not abs(score) < float("inf"):
        raise WstalError(
            f"{where}: score {score} is not finite; score every detection or remove it"
        )
    return video, start, end, label, score
