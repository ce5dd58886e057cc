"""Finished runs of two methods on own videos, scored but never trained, in the DAG's folders."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
from wstal.base.files import write_csv, write_frame
from wstal.config.protocols import read_protocol
from wstal.datasets.annotations import Annotations
from wstal.evaluate.ground_truth import read_ground_truth
from wstal.evaluate.map_table import COLUMNS, run_rows
from wstal.localize.proposals import detection_frame, write_proposals
from wstal.localize.scores import Scores, VideoScores, softmax, write_scores
from wstal.localize.segments import runs as stretches

CLASSES = ["clap", "spin", "wave"]
STEP, LENGTH = 0.64, 30  # s, snippets
NOISE = {"co2net": 0.6, "cavf": 2.0}  # of the class activation: the first finds more


def write_scored_runs(root: Path, train: int = 2, test: int = 12, seeds: int = 1) -> Path:
    """Write results/mine with two runs; return its folder.

    Test videos have two actions. The last test video is not annotated; the one before it is not
    labelled either.
    """
    dataset = root / "results/mine"
    database = _database(train, test)
    dataset.mkdir(parents=True)
    annotations = Annotations(CLASSES, database)
    (dataset / "annotations.json").write_text(json.dumps(annotations.as_json()))
    recipe = dataset / "i3d"
    rows = [{"id": v, "split": e["subset"], "rows": LENGTH} for v, e in database.items()]
    extra = {"status": "ok", "reason": ""}
    write_csv(recipe / "coverage.csv", [*rows[0], *extra], [row | extra for row in rows])
    videos = [{"id": v, "path": f"clips/{v}.mp4", "duration": LENGTH * STEP} for v in database]
    write_csv(dataset / "manifest.csv", list(videos[0]), videos)
    for run, noise in NOISE.items():
        for seed in range(seeds):
            folder = recipe / run / f"seed{seed}"
            folder.mkdir(parents=True)
            _write_seed(folder, database, noise, seed)
        head = {"run": run, "recipe": "i3d", "note": "made up"}
        write_frame(dataset / f"{run}_map.csv", pd.DataFrame([head]))
    return dataset


def _database(train: int, test: int) -> dict[str, dict]:
    rng, database = np.random.default_rng(0), {}
    for number in range(train + test):
        label = CLASSES[number % len(CLASSES)]
        starts = rng.integers(1, 6), rng.integers(16, 22)
        segments = [[float(STEP * first), float(STEP * (first + 5))] for first in starts]
        database[f"v{number:02d}"] = {
            "subset": "train" if number < train else "test",
            "duration": STEP * LENGTH,
            "labels": [label],
            "annotations": [{"segment": segment, "label": label} for segment in segments],
        }
    unlabelled, unannotated = list(database)[-2:]
    database[unannotated] |= {"annotations": [], "annotated": False}
    nothing = {"annotations": [], "annotated": False, "labels": [], "labelled": False}
    database[unlabelled] |= nothing
    return database


def _write_seed(folder: Path, database: dict[str, dict], noise: float, seed: int) -> None:
    rng = np.random.default_rng([seed, int(10 * noise)])
    videos = {}
    for video, entry in database.items():
        if entry["subset"] == "train":
            continue
        cas = rng.normal(0, noise, (LENGTH, len(CLASSES) + 1))
        cas[:, -1] += 1
        for each in entry["annotations"]:
            first, last = (round(t / STEP) for t in each["segment"])
            cas[first:last, CLASSES.index(each["label"])] += 3
        attention = 1 - softmax(cas)[:, -1]
        score = softmax(np.sort(cas[:, :-1], axis=0)[-6:].mean(axis=0)[None])[0]
        videos[video] = VideoScores(cas, attention, score, {})
    scores = Scores(CLASSES, videos, step=STEP)

    def propose(video: VideoScores) -> np.ndarray:
        rows = []
        for label in range(len(CLASSES)):
            values = softmax(video.cas)[:, label]
            found = stretches(values > 0.4)
            rows += [[*ends, label, values[slice(*ends)].mean()] for ends in found]
        return np.array(rows, dtype=float).reshape(-1, 4)

    write_scores(folder / "scores.h5", scores)
    write_proposals(folder / "proposals.json", detection_frame(scores, propose), scores, {})
    truth = read_ground_truth(folder.parents[2] / "annotations.json")
    files = {"predictions": {"last": folder / "proposals.json"}, "scores": folder / "scores.h5"}
    rows = run_rows(truth, read_protocol("folder"), **files)
    write_frame(folder / "map.csv", pd.DataFrame(rows, columns=COLUMNS))
