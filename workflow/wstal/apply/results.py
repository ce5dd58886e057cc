"""What was found in one video: its files, its subtitles, and the table that is printed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd

from wstal.base.array_store import safe_name
from wstal.base.files import write_text
from wstal.localize.proposals import COLUMNS, write_proposals
from wstal.localize.scores import Scores
from wstal.plots.over_time import plot_timeline
from wstal.plots.style import save

LINES = 3  # classes shown at a time in subtitles; more would cover the picture
HEAD = ("class", "start", "end", "score")


@dataclass(frozen=True)
class Localization:
    """Detections (video_id, t_start, t_end in seconds, label, score) and their origin.

    `row` is the video's row of a manifest, `run` the name of the run with its seed, `localize`
    the config that turned scores into detections.
    """

    id: str
    row: Mapping[str, Any]
    run: str
    scores: Scores
    detections: pd.DataFrame
    localize: Mapping[str, Any]

    def at_least(self, score: float | None) -> Localization:
        """Return the same without detections of a lower score; None keeps all."""
        if score is None:
            return self
        return replace(self, detections=self.detections[self.detections["score"] >= score])


def save_localization(
    found: Localization, folder: Path, picture: str = "svg", subtitled: bool = False
) -> None:
    """Write {id}.json, in ActivityNet's format, and {id}.{picture} (svg, png, none) atomically.

    `subtitled` adds {id}.srt.
    """
    name = safe_name(found.id)
    write_proposals(folder / f"{name}.json", found.detections, found.scores, found.localize)
    if subtitled:
        write_text(folder / f"{name}.srt", subtitles(found.detections))
    if picture != "none":
        truth = pd.DataFrame(columns=COLUMNS)
        figure = plot_timeline(found.id, found.scores, truth, found.detections, found.run)
        save(figure, folder / f"{name}.{picture}")


def subtitles(detections: pd.DataFrame) -> str:
    """Return detections (t_start, t_end in seconds, label, score) as SubRip text, "" for none.

    A cue is a stretch with the same classes: a line per class with its best score there, the
    best classes first.
    """
    starts = (detections["t_start"] * 1000).round().astype(int)
    ends = (detections["t_end"] * 1000).round().astype(int)
    cues: list[tuple[int, int, str]] = []
    for start, end in pairwise(sorted({*starts, *ends})):
        text = _cue(detections[(starts <= start) & (ends >= end)])
        if cues and cues[-1][1:] == (start, text):
            start = cues.pop()[0]
        if text:
            cues.append((start, end, text))
    return "\n".join(
        f"{number}\n{_subrip_time(start)} --> {_subrip_time(end)}\n{text}"
        for number, (start, end, text) in enumerate(cues, 1)
    )


def _cue(found: pd.DataFrame) -> str:
    best = found.groupby("label")["score"].max().sort_values(ascending=False, kind="stable")
    return "".join(f"{label} {score:.2f}\n" for label, score in best.head(LINES).items())


def _subrip_time(milliseconds: int) -> str:
    """Return milliseconds as SubRip writes them, hh:mm:ss,ttt."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d},{rest:03d}"


def clock(seconds: float) -> str:
    """Return seconds as m:ss.s."""
    tenths = round(seconds * 10)
    return f"{tenths // 600}:{tenths % 600 / 10:04.1f}"


def segment_lines(found: Localization, top: int) -> list[str]:
    """Return a line about the video, then the `top` detections of highest score as a table."""
    count, length = len(found.detections), clock(float(found.row["duration"]))
    state = "" if found.row["status"] == "ok" else f", {found.row['status']}"
    shown = f", the best {top}" if count > top else ""
    noun = "segment" if count == 1 else "segments"
    head = f"{found.id} ({length}{state}), {found.run}: {count or 'no'} {noun}{shown}"
    return [head, *segment_table(found.detections, top), ""]


def segment_table(detections: pd.DataFrame, top: int) -> list[str]:
    """Return the `top` detections of highest score as aligned lines below a head; none for none.

    `detections` is a frame t_start, t_end (seconds), label, score.
    """
    best = detections.sort_values("score", ascending=False, kind="stable").head(top)
    rows = [
        (str(row.label), clock(row.t_start), clock(row.t_end), f"{row.score:.3f}")
        for row in best.itertuples(index=False)
    ]
    if not rows:
        return []
    widths = [max(len(row[column]) for row in (HEAD, *rows)) for column in range(len(HEAD))]
    return ["  ".join(_align(row, widths)) for row in (HEAD, *rows)]


def _align(row: tuple[str, ...], widths: list[int]) -> list[str]:
    """Align the class to the left, the figures to the right."""
    padded = [text.rjust(width) for text, width in zip(row, widths, strict=True)]
    return [row[0].ljust(widths[0]), *padded[1:]]
