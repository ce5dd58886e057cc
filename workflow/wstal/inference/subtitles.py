"""What was found in a video as SubRip subtitles, which players show over it."""

from __future__ import annotations

from itertools import pairwise

import pandas as pd

LINES = 3  # classes shown at a time; more would cover the picture


def subtitles(detections: pd.DataFrame) -> str:
    """Detections (t_start, t_end in seconds, label, score) as SubRip text; "" if there are none.

    A cue is a stretch in which the same is found: a line per class with its best score there,
    the best classes first.
    """
    starts = (detections["t_start"] * 1000).round().astype(int)
    ends = (detections["t_end"] * 1000).round().astype(int)
    cues: list[tuple[int, int, str]] = []
    for start, end in pairwise(sorted({*starts, *ends})):
        text = _lines(detections[(starts <= start) & (ends >= end)])
        if cues and cues[-1][1:] == (start, text):
            start = cues.pop()[0]
        if text:
            cues.append((start, end, text))
    return "\n".join(
        f"{number}\n{_clock(start)} --> {_clock(end)}\n{text}"
        for number, (start, end, text) in enumerate(cues, 1)
    )


def _lines(found: pd.DataFrame) -> str:
    best = found.groupby("label")["score"].max().sort_values(ascending=False, kind="stable")
    return "".join(f"{label} {score:.2f}\n" for label, score in best.head(LINES).items())


def _clock(milliseconds: int) -> str:
    """Milliseconds as SubRip writes them, hh:mm:ss,ttt."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d},{rest:03d}"
