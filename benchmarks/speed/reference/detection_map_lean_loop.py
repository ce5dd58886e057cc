"""mAP in a loop over detections, about as fast as plain Python can be.

Columns are taken out of the frames once, instances are in lists by class and video, and no array is
created per prediction. This loop, not one that looks each prediction up in pandas frames, is the
baseline for vectorising. Do not change it: `benchmarks/speed/evaluate.py` compares with it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

Span = tuple[float, float]


def detection_map_lean_loop(
    ground_truth: pd.DataFrame, predictions: pd.DataFrame, tious: Sequence[float]
) -> dict[str, np.ndarray]:
    """Interpolated AP `[I, C]` over the sorted ground-truth labels, and its mean `[I]`."""
    classes = sorted(ground_truth["label"].unique())
    levels = [float(tiou) for tiou in tious]
    spans: dict[tuple, list[Span]] = {}
    for label, video, *span in _columns(ground_truth, "t_start", "t_end"):
        spans.setdefault((label, video), []).append((span[0], span[1]))
    taken = {key: [[False] * len(found) for _ in levels] for key, found in spans.items()}
    ranked: dict[object, list[bytearray]] = {label: [] for label in classes}
    order = predictions["score"].to_numpy().argsort(kind="stable")[::-1]
    for label, video, start, end in _columns(predictions.iloc[order], "t_start", "t_end"):
        if label not in ranked:
            continue
        hits = bytearray(len(levels))
        ranked[label].append(hits)
        if (label, video) in spans:
            _take(start, end, spans[label, video], taken[label, video], levels, hits)
    positives = ground_truth["label"].value_counts()
    ap = np.zeros((len(levels), len(classes)))
    for column, label in enumerate(classes):
        matrix = np.frombuffer(b"".join(ranked[label]), np.uint8).reshape(-1, len(levels))
        for row in range(len(levels)):
            ap[row, column] = _area(matrix[:, row], int(positives[label]))
    return {"ap": ap, "map": ap.mean(axis=1)}


def _columns(frame: pd.DataFrame, *more: str) -> zip:
    return zip(*(frame[name].tolist() for name in ("label", "video_id", *more)), strict=True)


def _take(
    start: float,
    end: float,
    spans: list[Span],
    taken: list[list[bool]],
    levels: list[float],
    hits: bytearray,
) -> None:
    """Mark at each level the free instance of greatest overlap, the later of equals."""
    near = []
    for index, (low, high) in enumerate(spans):
        shared = (end if end < high else high) - (start if start > low else low)
        if shared > 0:
            near.append((shared / ((end - start) + (high - low) - shared), index))
    near.sort(reverse=True)
    for level, tiou in enumerate(levels):
        for overlap, index in near:
            if overlap < tiou:
                break
            if not taken[level][index]:
                taken[level][index] = True
                hits[level] = 1
                break


def _area(hits: np.ndarray, positives: int) -> float:
    at = np.flatnonzero(hits)
    precision = np.arange(1, len(at) + 1) / (at + 1)
    return float(np.maximum.accumulate(precision[::-1]).sum() / positives)
