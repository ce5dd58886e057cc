"""Small ground truths and detections that the tests of the evaluation share."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from wstal.evaluate.ground_truth import GroundTruth, read_ground_truth
from wstal.evaluate.protocols import Protocol
from wstal.localize.scores import Scores, VideoScores, write_iterations, write_scores

TIOUS = (0.3, 0.5, 0.7)
PROTOCOL = Protocol("small", "Small", TIOUS, ("0.3:0.7",), "0.3:0.7")


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


def results_of(found: pd.DataFrame) -> dict[str, list[dict]]:
    """A frame of detections as the `results` mapping of ActivityNet's format."""
    results: dict[str, list[dict]] = {}
    for video, start, end, label, score in found.itertuples(index=False):
        entry = {"segment": [float(start), float(end)], "score": float(score), "label": label}
        results.setdefault(video, []).append(entry)
    return results


def write_detections(path: Path, found: pd.DataFrame) -> Path:
    """Write a frame of detections as another tool would, in ActivityNet's format."""
    path.write_text(json.dumps({"version": "1", "results": results_of(found)}))
    return path


def write_truth(path: Path, **changes: object) -> Path:
    """Write annotations.json with DATABASE; `changes` replace top-level keys."""
    content = {"version": "1", "classes": ["dive", "jump"], "lists": {}, "database": DATABASE}
    path.write_text(json.dumps(content | changes))
    return path


def truth(folder: Path, **changes: object) -> GroundTruth:
    """The ground truth of `write_truth`, read."""
    return read_ground_truth(write_truth(folder / "annotations.json", **changes))


# Events of DATABASE: seconds 1-2 of v1 are dive, 8-9 jump (9.5 lies before 9.7); 0-3 of v2 dive;
# 2-3 of v3 jump. Background is class 2.
V1 = np.array([2, 0, 0, 2, 2, 2, 2, 2, 1, 1])
V2 = np.array([0, 0, 0, 0, 2, 2, 2, 2, 2, 2])
V3 = np.array([2, 2, 1, 1, 2, 2, 2, 2, 2, 2])
EMPTY = np.full(10, 2)
EVENTS = replace(PROTOCOL, task="events")
EVENT_HISTORY = {
    10: {"v1": V1, "v2": V2, "v3": EMPTY},  # 100 % of test, 80 % of validation
    20: {"v1": V1, "v2": EMPTY, "v3": V3},  # 80 %, 100 %
    30: {"v1": EMPTY, "v2": EMPTY, "v3": V3},  # 60 %, 100 %: not the first of equals
}


def write_events(
    folder: Path,
    name: str,
    last: Mapping[str, Sequence[int]],
    history: Mapping[int, Mapping[str, Sequence[int]]],
) -> tuple[Path, Path]:
    """Write scores.h5 and scores_by_iteration.h5 whose likeliest classes are the given ones."""

    def scores(answers: Mapping[str, Sequence[int]], iteration: int = 0) -> Scores:
        videos = {
            video: VideoScores(np.eye(3)[each], np.zeros(len(each)), np.zeros(2))
            for video, each in answers.items()
        }
        return Scores(["dive", "jump"], videos, iteration=iteration, step=1.0)

    write_scores(folder / f"{name}.h5", scores(last))
    made = (scores(each, iteration) for iteration, each in history.items())
    write_iterations(folder / f"{name}_history.h5", made)
    return folder / f"{name}.h5", folder / f"{name}_history.h5"
