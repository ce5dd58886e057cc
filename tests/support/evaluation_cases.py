"""Small ground truths and detections that the tests of the evaluation share."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
from wstal.evaluate.ground_truth import GroundTruth, read_ground_truth
from wstal.evaluate.protocols import Protocol

TIOUS = (0.3, 0.5, 0.7)
PROTOCOL = Protocol("small", TIOUS, ("0.3:0.7",), "0.3:0.7")


def frame(rows: list[tuple], *more: str) -> pd.DataFrame:
    """A frame video_id, t_start, t_end, label and what else is named."""
    return pd.DataFrame(rows, columns=["video_id", "t_start", "t_end", "label", *more])


def detections(rows: list[tuple]) -> pd.DataFrame:
    """A frame of detections."""
    return frame(rows, "score")


def random_case(seed: int, grid: float | None = 1.0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Ground truth and predictions, on a coarse grid so that ties abound."""
    rng = np.random.default_rng(seed)
    tables = []
    for count, scored in ((rng.integers(1, 25), False), (rng.integers(0, 60), True)):
        start = rng.uniform(0, 20, count)
        end = start + rng.uniform(0, 8, count)
        if grid:
            start, end = np.round(start / grid) * grid, np.round(end / grid) * grid
        table = {
            "video_id": [f"v{i}" for i in rng.integers(0, 4 + scored, count)],
            "t_start": start,
            "t_end": end,
            "label": [f"c{i}" for i in rng.integers(0, 3 + scored, count)],
        }
        score = {"score": rng.integers(0, 12, count) / 8} if scored else {}
        tables.append(pd.DataFrame(table | score))
    return tables[0], tables[1]


DATABASE = {
    "v1": {
        "subset": "test",
        "duration": 20.0,
        "labels": ["dive", "jump"],
        "annotations": [
            {"segment": [1.0, 3.0], "label": "dive"},
            {"segment": [8.0, 9.7], "label": "jump"},
        ],
    },
    "v2": {
        "subset": "test",
        "duration": 10.0,
        "labels": ["dive"],
        "annotations": [{"segment": [0.0, 4.0], "label": "dive"}],
    },
    "v3": {
        "subset": "val",
        "duration": 10.0,
        "labels": ["jump"],
        "annotations": [{"segment": [2.0, 4.0], "label": "jump"}],
    },
    "v4": {"subset": "train", "duration": 10.0, "labels": ["jump"], "annotations": []},
}
PERFECT = [
    ("v1", 1.0, 3.0, "dive", 0.9),
    ("v1", 8.0, 9.7, "jump", 0.8),
    ("v2", 0.0, 4.0, "dive", 0.7),
]


def write_truth(path: Path, **changes: object) -> Path:
    """Write annotations.json with DATABASE; `changes` replace top-level keys."""
    content = {"version": "1", "classes": ["dive", "jump"], "lists": {}, "database": DATABASE}
    path.write_text(json.dumps(content | changes))
    return path


def truth(folder: Path, **changes: object) -> GroundTruth:
    """The ground truth of `write_truth`, read."""
    return read_ground_truth(write_truth(folder / "annotations.json", **changes))
