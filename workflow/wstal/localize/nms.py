"""Non-maximum suppression of temporal segments: Gaussian soft and hard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from wstal.base.settings import Positive, Share


@dataclass(frozen=True)
class NmsSettings:
    """Suppression of overlapping segments of one class."""

    kind: Literal["soft", "hard"]  # Gaussian soft-NMS or hard NMS
    sigma: Positive  # soft: a score decays by exp(-IoU^2 / sigma)
    iou: Share  # hard: overlap above which the weaker segment goes
    plus_one: bool  # quirk of CO2-Net's code: lengths and intersections in snippets, plus one


def suppress_overlaps(
    segments: np.ndarray, scores: np.ndarray, settings: NmsSettings
) -> tuple[np.ndarray, np.ndarray]:
    """Return the order `[M]` of the segments `[N, 2]` that stay, and their scores `[M]`."""
    extra = 1.0 if settings.plus_one else 0.0
    if settings.kind == "soft":
        return soft_nms(segments, scores, settings.sigma, extra)
    keep = hard_nms(segments, scores, settings.iou, extra)
    return keep, scores[keep]


def overlap(segment: np.ndarray, others: np.ndarray, extra: float = 0.0) -> np.ndarray:
    """Temporal IoU of one `[start, end)` with `[N, 2]`.

    `extra` is added to lengths and intersections: 1 reproduces code that treats half-open ends
    as inclusive pixels.
    """
    shared = np.minimum(segment[1], others[:, 1]) - np.maximum(segment[0], others[:, 0]) + extra
    shared = np.maximum(shared, 0.0)
    lengths = others[:, 1] - others[:, 0] + extra
    union = segment[1] - segment[0] + extra + lengths - shared
    return shared / np.maximum(union, np.finfo(np.float64).tiny)


def soft_nms(
    segments: np.ndarray, scores: np.ndarray, sigma: float = 0.3, extra: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian soft-NMS (Bodla et al. 2017): order `[N]` and decayed scores in that order.

    The best remaining segment is taken in turn and every other's score multiplied by
    exp(-IoU^2 / sigma). No score is dropped; a negative score is *raised* by its decay, as in
    the code this follows. Of equal scores the first in the list is taken, in which each
    chosen segment changes places with the one at its rank.
    """
    segments = np.asarray(segments, dtype=np.float64).copy()
    scores = np.asarray(scores, dtype=np.float64).copy()
    order = np.arange(len(scores))
    for rank in range(len(scores)):
        best = rank + int(np.argmax(scores[rank:]))
        for array in (segments, scores, order):
            array[[rank, best]] = array[[best, rank]]
        rest = slice(rank + 1, None)
        iou = overlap(segments[rank], segments[rest], extra)
        scores[rest] *= np.exp(-(iou**2) / sigma)
    return order, scores


def hard_nms(
    segments: np.ndarray, scores: np.ndarray, iou: float = 0.5, extra: float = 0.0
) -> np.ndarray:
    """Greedy NMS: indices kept, best first; what overlaps a kept one by more than `iou` goes."""
    segments = np.asarray(segments, dtype=np.float64)
    order = np.argsort(-np.asarray(scores, dtype=np.float64), kind="stable")
    keep = []
    while len(order):
        best, order = order[0], order[1:]
        keep.append(best)
        order = order[overlap(segments[best], segments[order], extra) <= iou]
    return np.array(keep, dtype=np.int64)
