"""The annotation database every dataset is turned into, in ActivityNet's layout."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from wstal.atomic import write_json
from wstal.errors import WstalError

SUBSETS = ("train", "val", "test")
COLUMNS = ["video_id", "t_start", "t_end", "label"]
_SEEN = ("subset", "duration", "labels")  # of a training video; no times but its length
_TAUGHT = ("labels", "annotations", "ambiguous")  # what people said of a video


@dataclass(frozen=True)
class Annotations:
    """Classes, named id lists and one entry per video.

    An entry holds `subset`, `duration` (seconds or None), `labels` (the video-level labels,
    all that training may read) and `annotations` (`{"segment": [s, e], "label": name}`,
    seconds, half-open). It may hold `file` (the video file's name where that is not the id),
    `features_only` (true: no video, only published features) and
    `ambiguous` (segments that are neither action nor background; the list `ambiguous` names the
    videos that have some).
    """

    classes: list[str]
    database: dict[str, dict[str, Any]]
    lists: dict[str, list[str]] = field(default_factory=dict)
    version: str = "wstal-1"

    def __post_init__(self) -> None:
        known = set(self.classes)
        for video, entry in self.database.items():
            if entry["subset"] not in SUBSETS:
                raise WstalError(
                    f"video {video}: subset {entry['subset']!r} is not one of {', '.join(SUBSETS)}"
                )
            named = set(entry["labels"]) | {a["label"] for a in entry["annotations"]}
            if unknown := named - known:
                raise WstalError(
                    f"video {video}: labels {sorted(unknown)} are not among the "
                    f"{len(known)} classes; correct the label or add the class"
                )

    def ids(self, subset: str) -> list[str]:
        """Ids of a subset, in database order."""
        return [video for video, entry in self.database.items() if entry["subset"] == subset]

    def label_matrix(self, ids: Iterable[str]) -> np.ndarray:
        """Video-level labels as float32 `[N, C]`, without background."""
        ids = list(ids)
        index = {name: i for i, name in enumerate(self.classes)}
        matrix = np.zeros((len(ids), len(self.classes)), dtype=np.float32)
        for row, video in enumerate(ids):
            matrix[row, [index[label] for label in self.database[video]["labels"]]] = 1
        return matrix

    def has_segments(self, subset: str) -> bool:
        """Whether any video of `subset` has annotated segments."""
        return any(self.database[video]["annotations"] for video in self.ids(subset))

    def ground_truth(self, subset: str) -> pd.DataFrame:
        """Segments of `subset` as a frame video_id, t_start, t_end, label (seconds)."""
        rows = [
            (video, *map(float, item["segment"]), item["label"])
            for video in self.ids(subset)
            for item in self.database[video]["annotations"]
        ]
        return pd.DataFrame(rows, columns=COLUMNS).astype({"t_start": float, "t_end": float})

    def as_json(self) -> dict[str, Any]:
        """The file's content."""
        return {
            "version": self.version,
            "classes": self.classes,
            "lists": self.lists,
            "database": self.database,
        }


def read_annotations(path: str | Path) -> Annotations:
    """Read annotations.json; raises WstalError that names the file and what is wrong in it."""
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        entries = content["database"]
        return Annotations(content["classes"], entries, content.get("lists", {}))
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise WstalError(
            f"{path} is not an annotation database of this project ({error!r}); "
            "remove it and let the annotations rule write it again"
        ) from error
    except WstalError as error:
        raise WstalError(f"{path}: {error}") from error


def write_annotations(path: str | Path, annotations: Annotations) -> None:
    """Write annotations.json atomically."""
    write_json(path, annotations.as_json())


def training_view(annotations: Annotations) -> Annotations:
    """What weak supervision may see: training videos with their video-level labels, no times.

    Training reads a file of this and nothing else of the annotations, so that no segment and
    no test label can reach it.
    """
    return Annotations(
        annotations.classes,
        {
            video: {key: entry[key] for key in _SEEN if key in entry} | {"annotations": []}
            for video, entry in annotations.database.items()
            if entry["subset"] == "train"
        },
    )


def videos_view(annotations: Annotations) -> Annotations:
    """Which videos there are: subset, duration and file of each, no label and no time.

    What finds, decodes and packs videos reads a file of this, so that a corrected segment
    concerns none of it.
    """
    return Annotations(
        [],
        {
            video: {key: entry[key] for key in entry if key not in _TAUGHT}
            | {"labels": [], "annotations": []}
            for video, entry in annotations.database.items()
        },
    )
