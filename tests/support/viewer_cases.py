"""A small run to make pages of."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
from evaluation_cases import PERFECT, PROTOCOL, detections, truth
from wstal.localize.scores import Scores, VideoScores
from wstal.viewer.content import Material

STEP = 0.5


def small_scores(videos: dict[str, int], classes: list[str], seed: int = 0) -> Scores:
    """Random scores of videos {id: snippets}; the classes in any order."""
    rng = np.random.default_rng(seed)
    own = {
        video: VideoScores(
            rng.normal(size=(length, len(classes) + 1)),
            rng.random(length),
            rng.random(len(classes)),
            {"rgb": rng.random(length), "flow": rng.random(length)},
        )
        for video, length in videos.items()
    }
    return Scores(list(classes), own, step=STEP, iteration=7, provenance={"code": "abc"})


def small_material(folder: Path, **changes: object) -> Material:
    """Two test videos, their scores (classes in another order) and four detections."""
    known = {
        "about": {"title": "Small", "run": "co2net", "note": "made up"},
        "truth": truth(folder),
        "protocol": PROTOCOL,
        "scores": small_scores({"v1": 40, "v2": 20}, ["jump", "dive"]),
        "found": detections([("v1", 15.0, 19.0, "dive", 0.1), *PERFECT]),
        "manifest": {
            "v1": {"path": str(folder / "videos/v1.mp4"), "duration": "20.0", "fps": "25.0"}
        },
    }
    return Material(**{**known, **changes})


def decoded(text: str, kind: str) -> np.ndarray:
    """A column of the page as numbers."""
    return np.frombuffer(base64.b64decode(text), f"<{kind}")
