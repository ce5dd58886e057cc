"""Proposals, instances and curves of one video, packed small."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from wstal.evaluate.ground_truth import GroundTruth
from wstal.evaluate.matching import match
from wstal.evaluate.protocols import Prepared, Protocol, prepare
from wstal.localize.nms import overlap
from wstal.localize.scores import VideoScores

# FOLDED Numbers as short text for a page: few bytes each, in base64.

LEVELS = 255


def column(values: Sequence[float] | np.ndarray, kind: str) -> str:
    """Values as little-endian numbers of a numpy `kind` (f4, u2, u1) in base64."""
    array = np.asarray(values).astype(np.dtype(f"<{kind}"))
    return base64.b64encode(array.tobytes()).decode("ascii")


def curve(values: np.ndarray, low: float, high: float) -> str:
    """Values `[T]` as the nearest of 256 steps from `low` to `high`, a byte each, in base64."""
    share = (np.asarray(values, dtype=float) - low) / max(high - low, np.finfo(float).tiny)
    return column(np.rint(np.clip(share, 0, 1) * LEVELS), "u1")


def value_range(arrays: Sequence[np.ndarray], *inside: float) -> tuple[float, float]:
    """The smallest range that holds all values and those of `inside`; (0, 1) if there are none."""
    parts = [np.asarray(array, dtype=float).ravel() for array in arrays]
    every = np.concatenate([*parts, np.asarray(inside, dtype=float)])
    return (float(every.min()), float(every.max())) if len(every) else (0.0, 1.0)


# FOLDED What the evaluator says of each proposal and of each annotated instance.

ROW = "row"  # where a line of a prepared frame stood before


@dataclass(frozen=True)
class Verdicts:
    """By row of the frames given: N proposals and M instances, at I thresholds.

    `taker` `[I, M]` is the proposal that hits an instance, or -1: all that matching says, for
    the proposals that hit are those named in it. As better-ranked proposals are matched first,
    it holds for the proposals above any score alike. `overlap` `[N]` and `instance_overlap`
    `[M]` are the best tIoU with an instance (a proposal) of the same video and class, in the
    protocol's units; NaN for what the protocol does not score. `held` `[N]` says that a miss
    counts against a proposal: not where it is not scored, or touches an ambiguous segment that
    the protocol calls neutral.
    """

    tious: np.ndarray
    taker: np.ndarray
    overlap: np.ndarray
    instance_overlap: np.ndarray
    held: np.ndarray


def verdicts(
    truth: GroundTruth, found: pd.DataFrame, protocol: Protocol, usable: set[str] | None = None
) -> Verdicts:
    """Match `found` (a frame video_id, t_start, t_end, label, score, seconds) to `truth`.

    Instances are in the order of `truth.frame`. `usable` are the videos with features (None:
    all). Raises WstalError where the protocol needs a list that the ground truth lacks.
    """
    marked = replace(truth, frame=truth.frame.assign(**{ROW: np.arange(len(truth.frame))}))
    prepared = prepare(marked, found.assign(**{ROW: np.arange(len(found))}), protocol, usable)
    matches = match(prepared.ground_truth, prepared.predictions, protocol.tious, prepared.classes)
    instance_rows = prepared.ground_truth[ROW].to_numpy(int)
    rows = prepared.predictions[ROW].to_numpy(int)

    taker = np.full((len(protocol.tious), len(truth.frame)), -1)
    level, position = np.nonzero(matches.hits)
    instance = instance_rows[matches.matched[level, position]]
    taker[level, instance] = rows[matches.order[position]]

    best, instance_best = np.full(len(found), np.nan), np.full(len(truth.frame), np.nan)
    best[rows], instance_best[instance_rows] = _best_overlaps(prepared)
    held = np.zeros(len(found), dtype=bool)
    held[rows[matches.order]] = ~matches.neutral
    return Verdicts(matches.tious, taker, best, instance_best, held)


def _best_overlaps(prepared: Prepared) -> tuple[np.ndarray, np.ndarray]:
    """Best tIoU of each prepared prediction `[N]` and instance `[M]` with the other kind."""
    truth, found = prepared.ground_truth, prepared.predictions
    best, instance_best = np.zeros(len(found)), np.zeros(len(truth))
    rows = found.groupby(["video_id", "label"]).indices
    spans = found[["t_start", "t_end"]].to_numpy(float)
    for row, item in enumerate(truth.itertuples(index=False)):
        here = rows.get((item.video_id, item.label))
        if here is not None:
            shared = overlap(np.array([item.t_start, item.t_end]), spans[here])
            best[here] = np.maximum(best[here], shared)
            instance_best[row] = shared.max()
    return best, instance_best


CLASSES = 24  # curves kept per video: those annotated, then those found
TIOU_STEPS = 10_000  # of a proposal's best overlap


def kept_classes(
    annotated: Sequence[str], found: pd.DataFrame, video_score: Sequence[float], classes: list[str]
) -> list[str]:
    """The classes whose curves are kept: annotated, then best found, then likeliest; CLASSES."""
    best = found.sort_values("score", ascending=False, kind="stable")["label"]
    likely = [classes[i] for i in np.argsort(-np.asarray(video_score), kind="stable")]
    return list(dict.fromkeys([*annotated, *best, *likely]))[:CLASSES]


def proposal_columns(found: pd.DataFrame, said: Verdicts | None, classes: list[str]) -> dict:
    """Proposals of one video (rows named as in the frame of `said`) as columns, best first.

    `start`, `end` and `score` are float32, `label` uint16; with verdicts `overlap` is uint16,
    the best tIoU in steps of 1 / TIOU_STEPS, and `held` uint8.
    """
    columns = {
        "count": len(found),
        "start": column(found["t_start"], "f4"),
        "end": column(found["t_end"], "f4"),
        "label": column(pd.Index(classes).get_indexer(found["label"]), "u2"),
        "score": column(found["score"], "f4"),
    }
    if said is None:
        return columns
    overlap = np.nan_to_num(said.overlap[found.index])
    return columns | {
        "overlap": column(np.rint(overlap * TIOU_STEPS), "u2"),
        "held": column(said.held[found.index], "u1"),
    }


def instance_rows(
    truth: pd.DataFrame, found: pd.DataFrame, said: Verdicts | None, classes: list[str]
) -> list[dict[str, Any]]:
    """Annotated instances of one video in order of time.

    Each has `start`, `end` (s), `label`; where it is scored also `overlap`, its best tIoU, and
    `takers`, at each threshold the place in `found` of the proposal that hits it, or -1.
    """
    place = {row: index for index, row in enumerate(found.index)}
    rows = []
    for item in truth.sort_values(["t_start", "t_end"], kind="stable").itertuples():
        row = {
            "start": round(item.t_start, 3),
            "end": round(item.t_end, 3),
            "label": classes.index(item.label),
        }
        if said is not None and not np.isnan(said.instance_overlap[item.Index]):
            takers = said.taker[:, item.Index]
            row["overlap"] = round(float(said.instance_overlap[item.Index]), 4)
            row["takers"] = [place[taker] if taker >= 0 else -1 for taker in takers.tolist()]
        rows.append(row)
    return rows


def curves(own: VideoScores, columns: dict[str, int], kept: list[str]) -> dict[str, Any]:
    """Class activation and attention of one video, a byte a snippet, with their ranges.

    `columns` says where each class stands in `own.cas`. All classes share one range, and so do
    all attentions, which is 0 to 1 at least (a logit may go beyond).
    """
    sequences = {name: own.cas[:, columns[name]].astype(float) for name in kept}
    low, high = value_range(list(sequences.values()))
    attentions = {"fused": own.attention, **own.attentions}
    bottom, top = value_range(list(attentions.values()), 0.0, 1.0)
    return {
        "snippets": len(own.attention),
        "activation": {
            "range": [round(low, 5), round(high, 5)],
            "curves": [curve(values, low, high) for values in sequences.values()],
        },
        "attention": {
            "range": [round(bottom, 5), round(top, 5)],
            "curves": {name: curve(values, bottom, top) for name, values in attentions.items()},
        },
    }
