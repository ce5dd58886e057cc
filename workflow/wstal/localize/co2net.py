"""CO2-Net's localization: attention thresholds, outer-inner score, Gaussian soft-NMS.

The order of steps and its quirks are those of the official code (commit e879687), each quirk a
named switch. Segments are snippet ranges inside, seconds at
the border.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from wstal.errors import WstalError
from wstal.localize.grouping import runs_above
from wstal.localize.nms import hard_nms, soft_nms
from wstal.localize.outer_inner import outer_inner
from wstal.localize.scores import Scores, VideoScores

COLUMNS = ["video_id", "t_start", "t_end", "label", "score"]


def localize(scores: Scores, config: Mapping[str, Any]) -> pd.DataFrame:
    """Detections of all videos: video_id, t_start, t_end (seconds), label, score.

    `config` is the `localize` section of the run's config. Videos in the order of `scores`,
    classes ascending, then in the order suppression chose.
    """
    parts = []
    for video, values in scores.videos.items():
        found = proposals(values, config)
        times = scores.t0 + found[:, :2] * scores.step
        labels = [scores.classes[int(label)] for label in found[:, 2]]
        parts.append(
            pd.DataFrame(
                {
                    "video_id": video,
                    "t_start": times[:, 0],
                    "t_end": times[:, 1],
                    "label": labels,
                    "score": found[:, 3],
                }
            )
        )
    parts = [part for part in parts if len(part)]
    if not parts:
        return pd.DataFrame({name: [] for name in COLUMNS})
    return pd.concat(parts, ignore_index=True)


def proposals(video: VideoScores, settings: Mapping[str, Any]) -> np.ndarray:
    """Proposals of one video: float64 `[N, 4]` of first, last + 1 (snippets), class, score."""
    cas = suppressed(video, settings["suppression"])
    video_scores = video_level(cas, settings["video_topk"])
    grid = np.linspace(**settings["thresholds"])
    options = {"skip_lone_first": settings["skip_lone_first"]}
    found = []
    for label in kept_classes(video_scores, settings["class_threshold"]):
        if settings["sequence"] == "attention":
            sequence = video.attention.astype(np.float64)
        else:
            sequence = softmax(video.cas)[:, label]
        segments = runs_above(sequence, grid, **options)
        contrast = outer_inner(cas[:, label : label + 1], segments, settings["outer_margin"])
        score = contrast[:, 0] + settings["video_weight"] * video_scores[label]
        order, score = suppress_overlaps(segments, score, settings["nms"])
        columns = (segments[order], np.full((len(order), 1), label), score[:, None])
        found.append(np.concatenate(columns, axis=1, dtype=np.float64))
    return np.concatenate([np.empty((0, 4)), *found])


def suppressed(video: VideoScores, mode: str) -> np.ndarray:
    """Background-suppressed class activation sequence, float64 `[T, C+1]`.

    `product` (A S) is what the official code uses at test time and the paper everywhere;
    `anchored` (A (S - min S) + min S) is what that code trains with.
    """
    cas, attention = video.cas.astype(np.float64), video.attention.astype(np.float64)[:, None]
    if mode == "product":
        return cas * attention
    if mode != "anchored":
        raise WstalError(f"suppression {mode!r} is not one of product, anchored")
    floor = cas.min(1, keepdims=True)
    return attention * (cas - floor) + floor


def video_level(cas: np.ndarray, divisor: int) -> np.ndarray:
    """Class probabilities `[C]`: softmax over C+1 of the mean of the top floor(T / divisor)."""
    k = max(1, len(cas) // divisor)
    strongest = np.partition(cas, len(cas) - k, axis=0)[-k:]
    return softmax(strongest.mean(0))[:-1]


def kept_classes(video_scores: np.ndarray, threshold: float) -> np.ndarray:
    """Classes of at least `threshold`, or the best one if there is none."""
    kept = np.flatnonzero(video_scores >= threshold)
    return kept if len(kept) else np.array([int(np.argmax(video_scores))])


def softmax(x: np.ndarray) -> np.ndarray:
    """Softmax over the last axis, float64."""
    x = np.asarray(x, dtype=np.float64)
    weights = np.exp(x - x.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True)


def suppress_overlaps(
    segments: np.ndarray, scores: np.ndarray, nms: Mapping[str, Any]
) -> tuple[np.ndarray, np.ndarray]:
    """Order and scores after the configured suppression."""
    extra = 1.0 if nms["plus_one"] else 0.0
    if nms["kind"] == "soft":
        return soft_nms(segments, scores, nms["sigma"], extra)
    keep = hard_nms(segments, scores, nms["iou"], extra)
    return keep, scores[keep]
