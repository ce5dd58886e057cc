"""The annotation database that every dataset is turned into, in ActivityNet's layout.

Each reader of label files returns `Annotations`. Training, and all that handles videos, receive a
view of them (`training_view`, `videos_view`), so that an edit to what they must not see does not
reach them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from wstal.base.errors import WstalError
from wstal.base.files import write_json
from wstal.base.text_files import read_json

SUBSETS = ("train", "val", "test")
COLUMNS = ["video_id", "t_start", "t_end", "label"]
TRAINING_KEYS = ("subset", "duration", "labels")  # of an entry; no times except its length
# Of an entry: what people annotated.
LABEL_KEYS = ("labels", "annotations", "ambiguous", "labelled", "annotated")


@dataclass(frozen=True)
class Annotations:
    """Classes, named id lists and one entry per video.

    An entry holds `subset` (train, val or test), `duration` (seconds or None), `labels` (the
    video-level labels, all that training may read) and `annotations`
    (`{"segment": [s, e], "label": name}`, seconds, half-open). It may hold `file` (the video
    file's name if that is not the id), `features_only` (true: there is no video, only published
    features), `ambiguous` (segments `[s, e]` that are neither action nor background; the list
    `ambiguous` names the videos that have some), `labelled` and `annotated` (false: nobody has
    named its classes, marked its segments; without the key somebody has, also if there are none).

    Raises WstalError for an unknown subset, and for a label that is not among the classes.
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
        """Return the ids of a subset, in database order."""
        return [video for video, entry in self.database.items() if entry["subset"] == subset]

    def label_matrix(self, ids: Iterable[str]) -> np.ndarray:
        """Return the video-level labels as float32 `[N, C]`, without background."""
        ids = list(ids)
        index = {name: i for i, name in enumerate(self.classes)}
        matrix = np.zeros((len(ids), len(self.classes)), dtype=np.float32)
        for row, video in enumerate(ids):
            matrix[row, [index[label] for label in self.database[video]["labels"]]] = 1
        return matrix

    def has_segments(self, subset: str) -> bool:
        """Return whether any video of `subset` has annotated segments."""
        return any(self.database[video]["annotations"] for video in self.ids(subset))

    def ground_truth(self, subset: str) -> pd.DataFrame:
        """Return the segments of `subset`: a frame video_id, t_start, t_end, label (seconds)."""
        rows = [
            (video, *map(float, item["segment"]), item["label"])
            for video in self.ids(subset)
            for item in self.database[video]["annotations"]
        ]
        return pd.DataFrame(rows, columns=COLUMNS).astype({"t_start": float, "t_end": float})

    def as_json(self) -> dict[str, Any]:
        """Return the content of annotations.json."""
        return {
            "version": self.version,
            "classes": self.classes,
            "lists": self.lists,
            "database": self.database,
        }


def read_annotations(path: str | Path) -> Annotations:
    """Read annotations.json; raise WstalError that names the file and what is wrong in it."""
    try:
        content = read_json(path, "an annotation database of this project")
        entries = content["database"]
        return Annotations(content["classes"], entries, content.get("lists", {}))
    except (KeyError, TypeError) as error:
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
    """Return what weak supervision may see: training videos with video-level labels, no times.

    Training reads a file of this view and nothing else of the annotations, so that no segment and
    no test label can reach it.
    """
    return Annotations(
        annotations.classes,
        {
            video: {key: entry[key] for key in TRAINING_KEYS if key in entry} | {"annotations": []}
            for video, entry in annotations.database.items()
            if entry["subset"] == "train"
        },
    )


def videos_view(annotations: Annotations) -> Annotations:
    """Return which videos there are: subset, duration and file of each, no label and no time.

    Everything that finds, decodes and packs videos reads a file of this view, so that a corrected
    segment reruns none of it.
    """
    return Annotations(
        [],
        {
            video: {key: entry[key] for key in entry if key not in LABEL_KEYS}
            | {"labels": [], "annotations": []}
            for video, entry in annotations.database.items()
        },
    )


def data_digest(parts: Iterable[str | np.ndarray]) -> str:
    """Return one SHA-256 of texts and arrays, in order; an array counts with type and shape.

    It identifies the data that a run was given.
    """
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            head, body = f"text {len(part)}", part.encode()
        else:
            head, body = f"{part.dtype.str} {part.shape}", np.ascontiguousarray(part).data
        digest.update(f"\n{head}\n".encode())
        digest.update(body)
    return digest.hexdigest()
