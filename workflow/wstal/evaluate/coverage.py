"""How much of what was expected a number rests on."""

from __future__ import annotations

import csv
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from wstal.errors import WstalError


@dataclass(frozen=True)
class Coverage:
    """Videos and ground-truth instances with features, of all that the protocol names."""

    videos: int
    expected_videos: int
    instances: int
    expected_instances: int
    missing: tuple[str, ...] = ()

    def __str__(self) -> str:
        """As it stands in the coverage column."""
        return (
            f"{self.videos}/{self.expected_videos} videos; "
            f"{self.instances}/{self.expected_instances} instances"
        )


def coverage_of(
    instances: pd.DataFrame,
    videos: Collection[str],
    usable: Collection[str] | None,
    expected: int | None = None,
) -> Coverage:
    """Coverage of `videos` and their `instances` by the `usable` ones (None: by all).

    `expected` is how many videos there should be, where the ground truth itself may lack some.
    """
    missing = sorted(set(videos) - set(videos if usable is None else usable))
    lost = int(np.count_nonzero(instances["video_id"].isin(missing)))
    return Coverage(
        len(videos) - len(missing),
        len(videos) if expected is None else expected,
        len(instances) - lost,
        len(instances),
        tuple(missing),
    )


def read_usable(path: str | Path) -> set[str]:
    """Ids with features, from coverage.csv; raises WstalError naming what it lacks."""
    with Path(path).open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        if not {"id", "rows"} <= set(reader.fieldnames or ()):
            raise WstalError(
                f"{path}: columns id and rows are needed, it has {reader.fieldnames}; "
                "give the coverage.csv that lies beside features.h5"
            )
        return {row["id"] for row in reader if int(row["rows"]) > 0}


def read_durations(manifest: str | Path) -> dict[str, float]:
    """Durations in seconds from manifest.csv, of the videos that have one."""
    with Path(manifest).open(newline="", encoding="utf-8") as file:
        rows = [(row["id"], float(row["duration"] or 0)) for row in csv.DictReader(file)]
    return {video: seconds for video, seconds in rows if seconds > 0}


def beyond(segments: pd.DataFrame, durations: Mapping[str, float]) -> str:
    """A line on segments (seconds) that end over a second after their video; "" without any."""
    ends = segments["video_id"].map(durations).astype(float)
    late = segments[segments["t_end"] > ends + 1]
    if late.empty:
        return ""
    first = late.iloc[0]
    return (
        f"{len(late)} of {len(segments)} annotated segments end after their video, such as "
        f"{first['video_id']} {first['t_start']:g} to {first['t_end']:g} s of "
        f"{ends[late.index[0]]:.1f} s: are the times seconds, and of this file?"
    )
