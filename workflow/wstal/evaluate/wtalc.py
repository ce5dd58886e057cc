"""W-TALC's evaluator, which makes its own segments from a class activation sequence.

It serves to compare with numbers that were scored by it. It differs from `detection_map` in every
step: one threshold per class and video, segments of at least two snippets, the first instance that
overlaps enough (not the best), and an AP that is not interpolated.
(Paul et al., ECCV 2018, and the code published with it.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from wstal.evaluate.average_precision import ranked_ap

SNIPPETS_PER_SECOND = 25 / 16


def wtalc_map(
    ground_truth: pd.DataFrame,
    activations: Mapping[str, np.ndarray],
    tious: Sequence[float],
    classes: Sequence[str],
    *,
    snippets_per_second: float = SNIPPETS_PER_SECOND,
    ambiguous: pd.DataFrame | None = None,
) -> dict[str, np.ndarray]:
    """Return mAP `{"ap": [I, C'], "map": [I]}` in fractions, C' the classes with ground truth.

    `ground_truth` is a frame video_id, t_start, t_end, label in seconds, in the order in which
    instances are offered; `activations` maps each video to `[T, C]`, C in the order of
    `classes`. Segments that overlap an `ambiguous` one (video_id, t_start, t_end) are dropped.
    """
    annotated = [name for name in classes if (ground_truth["label"] == name).any()]
    instances = _snippets(ground_truth, snippets_per_second)
    barred = {} if ambiguous is None else _by_video(_snippets(ambiguous, snippets_per_second))
    ap = np.zeros((len(tious), len(annotated)))
    for column, name in enumerate(annotated):
        index = list(classes).index(name)
        found = [
            (score, video, start, end)
            for video, activation in activations.items()
            for start, end, score in class_segments(activation, index)
            if not any(_iou(start, end, *span) > 0 for span in barred.get(video, ()))
        ]
        scores = np.array([item[0] for item in found])
        ranked = [found[row][1:] for row in np.argsort(-scores, kind="stable")]
        here = instances[ground_truth["label"].to_numpy() == name]
        for row, tiou in enumerate(tious):
            ap[row, column] = ranked_ap(_hits(ranked, _by_video(here), tiou), len(here))
    return {"ap": ap, "map": ap.mean(axis=1)}


def class_segments(activation: np.ndarray, index: int) -> list[tuple[int, int, float]]:
    """Return the segments (start, end, score) of a class: runs of at least two snippets.

    A run lies above the middle between the class's extremes. Its score is its maximum plus 0.7
    times the class's score of the video (the mean of the highest eighth). A class whose video
    score is not positive has no segments.
    """
    sequence = np.asarray(activation, dtype=float)[:, index]
    top = np.sort(sequence)[::-1][: len(sequence) // 8]
    video_score = float(top.mean()) if len(top) else float("nan")
    if not video_score > 0:
        return []
    above = sequence > (sequence.max() + sequence.min()) / 2
    edges = np.flatnonzero(np.diff(np.concatenate([[0], above.astype(int), [0]])))
    return [
        (int(start), int(end), float(sequence[start:end].max() + 0.7 * video_score))
        for start, end in edges.reshape(-1, 2)
        if end - start >= 2
    ]


def _snippets(frame: pd.DataFrame, snippets_per_second: float) -> pd.DataFrame:
    times = np.rint(frame[["t_start", "t_end"]].to_numpy(float) * snippets_per_second)
    return frame.assign(t_start=times[:, 0].astype(int), t_end=times[:, 1].astype(int))


def _by_video(frame: pd.DataFrame) -> dict[str, list[tuple[int, int]]]:
    spans: dict[str, list[tuple[int, int]]] = {}
    for video, start, end in frame[["video_id", "t_start", "t_end"]].itertuples(index=False):
        spans.setdefault(video, []).append((start, end))
    return spans


def _hits(
    ranked: list[tuple[str, int, int]], instances: dict[str, list[tuple[int, int]]], tiou: float
) -> np.ndarray:
    """Whether each segment, best first, takes the first free instance that overlaps enough."""
    hits = np.zeros(len(ranked), dtype=bool)
    for row, (video, start, end) in enumerate(ranked):
        free = instances.get(video, [])
        for position, span in enumerate(free):
            if _iou(start, end, *span) >= tiou:
                hits[row] = True
                del free[position]
                break
    return hits


def _iou(start: int, end: int, other_start: int, other_end: int) -> float:
    shared = max(0, min(end, other_end) - max(start, other_start))
    union = (end - start) + (other_end - other_start) - shared
    return shared / union if union else 0.0
