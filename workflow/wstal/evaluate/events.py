"""Accuracy of per-second event classification, AVE's measure."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from wstal.errors import WstalError


def event_accuracy(events: np.ndarray, labels: np.ndarray, classes: int) -> dict[str, Any]:
    """Share of seconds classified rightly, background being class `classes` (the last).

    `events` and `labels` are integer `[V, T]`. Returns fractions: `accuracy`, `recall` `[C+1]`
    per class (NaN for a class that does not occur); and the number of `seconds`.
    (The protocol of Tian et al., ECCV 2018: all seconds of all videos, background too.)

    Raises WstalError for unequal shapes, no seconds, or a class outside 0..C.
    """
    events, labels = np.asarray(events), np.asarray(labels)
    if events.shape != labels.shape or not labels.size:
        raise WstalError(f"events {events.shape} and labels {labels.shape} must agree, not empty")
    for name, values in (("events", events), ("labels", labels)):
        if values.min() < 0 or values.max() > classes:
            raise WstalError(
                f"{name} lie in {values.min()}..{values.max()}; with {classes} classes they are "
                f"0..{classes}, {classes} for background"
            )
    right, counts = events == labels, np.bincount(labels.ravel(), minlength=classes + 1)
    found = np.bincount(labels[right], minlength=classes + 1)
    return {
        "accuracy": float(right.mean()),
        "recall": np.divide(found, counts, out=np.full(classes + 1, np.nan), where=counts > 0),
        "seconds": int(labels.size),
    }


def event_labels(
    ground_truth: pd.DataFrame, ids: list[str], classes: list[str], seconds: int = 10
) -> np.ndarray:
    """The class of each second of each video, int64 `[V, seconds]`, background = C.

    A second belongs to the event that covers its middle; seconds outside all events are
    background. `ground_truth` is a frame video_id, t_start, t_end, label.
    """
    labels = np.full((len(ids), seconds), len(classes), dtype=np.int64)
    row, column = {v: i for i, v in enumerate(ids)}, {c: i for i, c in enumerate(classes)}
    middle = np.arange(seconds) + 0.5
    for item in ground_truth[ground_truth["video_id"].isin(row)].itertuples(index=False):
        covered = (item.t_start <= middle) & (middle < item.t_end)
        labels[row[item.video_id], covered] = column[item.label]
    return labels


def second_answers(cas: np.ndarray, t0: float, step: float, seconds: int = 10) -> np.ndarray:
    """The likeliest class of each second, background included: `[T, C+1]` -> int64 `[seconds]`.

    A second is answered by the snippet over its middle, snippet i being `[t0 + i step, t0 +
    (i + 1) step)`; where there is none, because a video file ends early, by the nearest one.
    Of equal classes the first is taken. (CAVF: argmax over the classes and background.)
    """
    snippet = np.floor((np.arange(seconds) + 0.5 - t0) / step).astype(np.int64)
    return np.asarray(cas).argmax(axis=1)[np.clip(snippet, 0, len(cas) - 1)]
