"""Proposals, instances and curves of one video, packed small."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from wstal.localize.scores import VideoScores
from wstal.viewer.series import column, curve, value_range
from wstal.viewer.verdicts import Verdicts

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
