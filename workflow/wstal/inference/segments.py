"""The best segments of a video as lines to read."""

from __future__ import annotations

import pandas as pd

from wstal.inference.localization import Localization

HEAD = ("class", "start", "end", "score")


def clock(seconds: float) -> str:
    """Seconds as m:ss.s."""
    tenths = round(seconds * 10)
    return f"{tenths // 600}:{tenths % 600 / 10:04.1f}"


def segment_lines(found: Localization, top: int) -> list[str]:
    """A line on the video, then the `top` detections of highest score as a table."""
    count, length = len(found.detections), clock(float(found.row["duration"]))
    state = "" if found.row["status"] == "ok" else f", {found.row['status']}"
    shown = f", the best {top}" if count > top else ""
    noun = "segment" if count == 1 else "segments"
    head = f"{found.id} ({length}{state}), {found.run}: {count or 'no'} {noun}{shown}"
    return [head, *segment_table(found.detections, top), ""]


def segment_table(detections: pd.DataFrame, top: int) -> list[str]:
    """The `top` detections of highest score as aligned lines below a head; of none no line.

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
    return ["  ".join(_aligned(row, widths)) for row in (HEAD, *rows)]


def _aligned(row: tuple[str, ...], widths: list[int]) -> list[str]:
    """The class to the left, the figures to the right."""
    padded = [text.rjust(width) for text, width in zip(row, widths, strict=True)]
    return [row[0].ljust(widths[0]), *padded[1:]]
