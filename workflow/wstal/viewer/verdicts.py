"""What the evaluator says of each proposal and of each annotated instance."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from wstal.evaluate.ground_truth import GroundTruth
from wstal.evaluate.matching import match
from wstal.evaluate.protocols import Prepared, Protocol, prepare
from wstal.localize.nms import overlap

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
