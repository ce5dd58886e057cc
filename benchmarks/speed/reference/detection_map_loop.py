"""mAP in a plain loop over detections that looks each one up in pandas frames.

The evaluation code in common use works like this, and detection_map must agree with it. Do not
change it: `benchmarks/speed/evaluate.py` and a test compare with it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd


def detection_map_loop(
    ground_truth: pd.DataFrame, predictions: pd.DataFrame, tious: Sequence[float]
) -> dict[str, np.ndarray]:
    """Interpolated AP `[I, C]` over the sorted ground-truth labels, and its mean `[I]`."""
    classes = sorted(ground_truth["label"].unique())
    columns = [
        _class_ap(
            ground_truth[ground_truth["label"] == label],
            predictions[predictions["label"] == label],
            list(tious),
        )
        for label in classes
    ]
    ap = np.stack(columns, axis=1)
    return {"ap": ap, "map": ap.mean(axis=1)}


def _class_ap(instances: pd.DataFrame, predictions: pd.DataFrame, tious: list[float]) -> np.ndarray:
    by_video = instances.groupby("video_id")
    taken = {video: np.zeros((len(tious), len(rows)), bool) for video, rows in by_video}
    order = predictions["score"].to_numpy().argsort(kind="stable")[::-1]
    hits = np.zeros((len(tious), len(order)))
    for rank, (_, prediction) in enumerate(predictions.iloc[order].iterrows()):
        if prediction["video_id"] not in taken:
            continue
        spans = by_video.get_group(prediction["video_id"])[["t_start", "t_end"]].to_numpy(float)
        overlap = _overlap(prediction["t_start"], prediction["t_end"], spans)
        preference = overlap.argsort(kind="stable")[::-1]
        for index, tiou in enumerate(tious):
            for instance in preference:
                if overlap[instance] < tiou:
                    break
                if not taken[prediction["video_id"]][index, instance]:
                    taken[prediction["video_id"]][index, instance] = True
                    hits[index, rank] = 1
                    break
    return np.array([_area(row, len(instances)) for row in hits])


def _overlap(start: float, end: float, spans: np.ndarray) -> np.ndarray:
    shared = np.minimum(end, spans[:, 1]) - np.maximum(start, spans[:, 0])
    shared = shared.clip(min=0)
    union = (end - start) + (spans[:, 1] - spans[:, 0]) - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def _area(hits: np.ndarray, positives: int) -> float:
    found = np.cumsum(hits)
    precision = np.concatenate([[0], found / np.arange(1, len(hits) + 1), [0]])
    recall = np.concatenate([[0], found / positives, [1]])
    for index in range(len(precision) - 2, -1, -1):
        precision[index] = max(precision[index], precision[index + 1])
    steps = np.flatnonzero(recall[1:] != recall[:-1]) + 1
    return float(((recall[steps] - recall[steps - 1]) * precision[steps]).sum())
