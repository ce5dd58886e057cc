"""Which classes of a video are localized at all."""

from __future__ import annotations

import numpy as np


def kept_classes(video_scores: np.ndarray, threshold: float) -> np.ndarray:
    """Classes of at least `threshold`, or the best one if there is none."""
    kept = np.flatnonzero(video_scores >= threshold)
    return kept if len(kept) else np.array([int(np.argmax(video_scores))])


def softmax(x: np.ndarray) -> np.ndarray:
    """Softmax over the last axis, float64."""
    x = np.asarray(x, dtype=np.float64)
    weights = np.exp(x - x.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True)
