"""What may be wrong with the files of own videos, found by opening and without decoding them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from wstal.base.errors import MediaError, printable
from wstal.base.memory import begin_video
from wstal.datasets.annotations import Annotations
from wstal.datasets.folder import first_few, read_segment_lines, read_video_names
from wstal.datasets.label_check import find_late_segments, find_shared_content
from wstal.media.find import Found, find_videos, videos_below
from wstal.media.recording import header_seconds, recording_prints
from wstal.media.timeline import snippet_step

SHORTEST = snippet_step(25)  # s: one row of the default features
SHOWN = 20  # names in a finding


@dataclass(frozen=True)
class FileCheck:
    """What was found: warnings with their remedy, and the videos without a file to read."""

    warnings: list[str]
    unusable: set[str]


def check_files(
    folder: str | Path, annotations: Annotations, labels: Path, segments: Path | None = None
) -> FileCheck:
    """Compare the videos below `folder` with the rows of own label files and their segments."""
    names = read_video_names(labels)
    found = find_videos(folder, dict.fromkeys([*annotations.database, *names]), names)
    files = {each.id: each.path for each in found if each.path}
    seconds, reasons = _lengths(files)
    subsets = {video: annotations.database[video]["subset"] for video in annotations.database}
    used = {video: files[video] for video in seconds if video in subsets}
    lines = read_segment_lines(segments) if segments else {}
    warnings = [
        *_find_absent(found),
        *(_find_unlisted(folder, files) if names else ()),
        *first_few([_unusable(video, reason) for video, reason in reasons.items()]),
        *_find_short(seconds),
        *find_late_segments(annotations, seconds, str(segments or labels), lines),
        *find_shared_content(recording_prints(used, seconds, subsets), subsets),
    ]
    unusable = {each.id for each in found} - seconds.keys()
    return FileCheck([printable(text) for text in warnings], unusable)


def _lengths(files: Mapping[str, Path]) -> tuple[dict[str, float], dict[str, str]]:
    """Return the seconds of the files that can be opened, and why others cannot be used."""
    seconds, reasons = {}, {}
    for video, path in files.items():
        try:
            begin_video(video, "check")
            seconds[video] = header_seconds(path)
        except MediaError as error:
            reasons[video] = str(error)
    return seconds, reasons


def _unusable(video: str, reason: str) -> str:
    return f"{video} is left out of a run ({reason}). Replace the file, or remove its row."


def _find_absent(found: list[Found]) -> Iterator[str]:
    absent = [each for each in found if each.path is None]
    if absent:
        notes = "; ".join(f"{each.id}: {each.note}" for each in absent[:SHOWN])
        yield (
            f"{len(absent)} of {len(found)} rows have no video file ({notes}). Correct the names, "
            "add the files, or remove the rows."
        )


def _find_unlisted(folder: str | Path, files: Mapping[str, Path]) -> Iterator[str]:
    others = sorted(set(videos_below(folder)) - set(files.values()))
    if others:
        shown = ", ".join(str(path.relative_to(folder)) for path in others[:SHOWN])
        yield f"{len(others)} videos have no row and are not used: {shown}. Add rows for them."


def _find_short(seconds: Mapping[str, float]) -> Iterator[str]:
    short = [f"{video} ({s:.2f} s)" for video, s in seconds.items() if 0 < s < SHORTEST]
    if short:
        yield (
            f"{len(short)} videos are shorter than a row of features, {SHORTEST} s. A run uses "
            "them with one row, in which the last picture is repeated: "
            f"{', '.join(short[:SHOWN])}. Remove them, or use longer cuts."
        )
