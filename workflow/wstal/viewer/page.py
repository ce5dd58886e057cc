"""The page as one HTML file: template, style, script and data put together safely.

First the page, then its data: proposals, instances and curves of one video with the evaluator's
verdicts. Numbers travel as short text: little-endian arrays, or one byte a value, in base64.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from wstal.evaluate.average_precision import match
from wstal.evaluate.ground_truth import GroundTruth
from wstal.evaluate.protocols import Prepared, Protocol, prepare
from wstal.localize.scores import VideoScores
from wstal.localize.segments import overlap
from wstal.plots.style import AUDIO, FLOW, FUSED, GROUND_TRUTH, RGB

PAGE, STYLE = "page.html", "page.css"
SCRIPTS = ("data.js", "clock.js", "lanes.js", "timeline.js", "list.js", "tables.js", "viewer.js")
COLOURS = {"truth": GROUND_TRUTH, "rgb": RGB, "flow": FLOW, "fused": FUSED, "audio": AUDIO}
# Escaped in a script element: what could end it or begin a comment, and line separators.
UNSAFE = {ord(mark): f"\\u{ord(mark):04x}" for mark in "<>&\u2028\u2029"}


def viewer_page(content: Mapping[str, Any], title: str) -> str:
    """Return the HTML page of `content` (`viewer_content`).

    Ids, labels and notes are untrusted text: the page holds them as JSON that cannot end its
    element, and its content security policy refuses all scripts but its own. Raises ValueError for
    a number that is not finite.
    """
    colours = "".join(f"--{name}: {value}; " for name, value in COLOURS.items())
    style = f":root {{ {colours}}}\n{_read_file(STYLE)}"
    script = '"use strict";\n(() => {\n' + "\n".join(map(_read_file, SCRIPTS)) + "})();\n"
    parts = {
        "policy": html.escape(
            f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; "
            "media-src 'self' file: http: https:; base-uri 'none'; form-action 'none'"
        ),
        "title": html.escape(title),
        "style": style,
        "data": safe_json(content),
        "script": script,
    }
    pieces = _read_file(PAGE).split("{{")
    filled = [pieces[0]]
    for piece in pieces[1:]:
        name, rest = piece.split("}}", 1)
        filled += [parts[name], rest]
    return "".join(filled)


def safe_json(content: Any) -> str:
    """Return JSON that is safe inside a script element: it has no `<`, `>` or `&`."""
    text = json.dumps(content, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return text.translate(UNSAFE)


def _digest(text: str) -> str:
    """The source by which a content security policy allows an inline script or style."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _read_file(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


CLASSES = 24  # curves kept per video
TIOU_STEPS = 10_000  # of a proposal's best overlap
LEVELS = 255  # of a curve's byte


@dataclass(frozen=True)
class Verdicts:
    """The evaluator's results on N proposals and M instances (rows of frames) at I thresholds.

    `taker` `[I, M]` is the row of the proposal that hits an instance, or -1. It is the whole
    result of matching: a proposal that is in it is a hit. Better-ranked proposals are matched
    first, so it holds as well for the proposals above any score alone. `overlap` `[N]` and
    `instance_overlap` `[M]` are the best tIoU with an instance (a proposal) of the same video and
    class, in the protocol's units; NaN for what the protocol does not score. `held` `[N]` is true
    if a miss counts against a proposal: it is scored, and overlaps no ambiguous segment that the
    protocol treats as neutral.
    """

    tious: np.ndarray
    taker: np.ndarray
    overlap: np.ndarray
    instance_overlap: np.ndarray
    held: np.ndarray


def match_proposals(
    truth: GroundTruth, found: pd.DataFrame, protocol: Protocol, usable: set[str] | None = None
) -> Verdicts:
    """Match `found` (a frame video_id, t_start, t_end, label, score, seconds) to `truth`.

    Instances are in the order of `truth.frame`. `usable` are the videos with features (None:
    all). Raises WstalError if the protocol needs a list that the ground truth does not have.
    """
    # The column `row` keeps each row's place through `prepare`.
    marked = replace(truth, frame=truth.frame.assign(row=np.arange(len(truth.frame))))
    prepared = prepare(marked, found.assign(row=np.arange(len(found))), protocol, usable)
    matches = match(prepared.ground_truth, prepared.predictions, protocol.tious, prepared.classes)
    instance_rows = prepared.ground_truth["row"].to_numpy(int)
    rows = prepared.predictions["row"].to_numpy(int)

    taker = np.full((len(protocol.tious), len(truth.frame)), -1)
    level, position = np.nonzero(matches.hits)
    instance = instance_rows[matches.matched[level, position]]
    taker[level, instance] = rows[matches.order[position]]

    best, instance_best = np.full(len(found), np.nan), np.full(len(truth.frame), np.nan)
    best[rows], instance_best[instance_rows] = _find_best_overlaps(prepared)
    held = np.zeros(len(found), dtype=bool)
    held[rows[matches.order]] = ~matches.neutral
    return Verdicts(matches.tious, taker, best, instance_best, held)


def _find_best_overlaps(prepared: Prepared) -> tuple[np.ndarray, np.ndarray]:
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


def choose_classes(
    annotated: Sequence[str], found: pd.DataFrame, video_score: Sequence[float], classes: list[str]
) -> list[str]:
    """Return the CLASSES whose curves are kept: annotated, then best found, then likeliest."""
    best = found.sort_values("score", ascending=False, kind="stable")["label"]
    likely = [classes[i] for i in np.argsort(-np.asarray(video_score), kind="stable")]
    return list(dict.fromkeys([*annotated, *best, *likely]))[:CLASSES]


def pack_proposals(found: pd.DataFrame, verdicts: Verdicts | None, classes: list[str]) -> dict:
    """Pack the proposals of one video, best first, as columns.

    The index of `found` gives the rows in `verdicts`. `start`, `end` and `score` are float32,
    `label` uint16; with verdicts also `overlap`, uint16, the best tIoU in steps of
    1 / TIOU_STEPS, and `held`, uint8.
    """
    columns = {
        "count": len(found),
        "start": pack_column(found["t_start"], "f4"),
        "end": pack_column(found["t_end"], "f4"),
        "label": pack_column(pd.Index(classes).get_indexer(found["label"]), "u2"),
        "score": pack_column(found["score"], "f4"),
    }
    if verdicts is None:
        return columns
    overlap = np.nan_to_num(verdicts.overlap[found.index])
    return columns | {
        "overlap": pack_column(np.rint(overlap * TIOU_STEPS), "u2"),
        "held": pack_column(verdicts.held[found.index], "u1"),
    }


def list_instances(
    truth: pd.DataFrame, found: pd.DataFrame, verdicts: Verdicts | None, classes: list[str]
) -> list[dict[str, Any]]:
    """Return the annotated instances of one video in order of time.

    Each has `start`, `end` (s) and `label`. If it is scored, it also has `overlap`, its best tIoU,
    and `takers`: at each threshold the place in `found` of the proposal that hits it, or -1.
    """
    place = {row: index for index, row in enumerate(found.index)}
    rows = []
    for item in truth.sort_values(["t_start", "t_end"], kind="stable").itertuples():
        row = {
            "start": round(item.t_start, 3),
            "end": round(item.t_end, 3),
            "label": classes.index(item.label),
        }
        if verdicts is not None and not np.isnan(verdicts.instance_overlap[item.Index]):
            takers = verdicts.taker[:, item.Index]
            row["overlap"] = round(float(verdicts.instance_overlap[item.Index]), 4)
            row["takers"] = [place[taker] if taker >= 0 else -1 for taker in takers.tolist()]
        rows.append(row)
    return rows


def pack_curves(own: VideoScores, columns: dict[str, int], kept: list[str]) -> dict[str, Any]:
    """Pack the class activation and attention of one video, a byte a snippet, with their ranges.

    `columns` maps the classes `kept` to their columns in `own.cas` `[T, C+1]`. All classes share
    one range. So do all attentions, whose range is at least 0 to 1 (a logit may exceed it).
    """
    sequences = {name: own.cas[:, columns[name]].astype(float) for name in kept}
    low, high = value_range(list(sequences.values()))
    attentions = {"fused": own.attention, **own.attentions}
    bottom, top = value_range(list(attentions.values()), 0.0, 1.0)
    return {
        "snippets": len(own.attention),
        "activation": {
            "range": [round(low, 5), round(high, 5)],
            "curves": [pack_curve(values, low, high) for values in sequences.values()],
        },
        "attention": {
            "range": [round(bottom, 5), round(top, 5)],
            "curves": {
                name: pack_curve(values, bottom, top) for name, values in attentions.items()
            },
        },
    }


def pack_column(values: Sequence[float] | np.ndarray, kind: str) -> str:
    """Pack values as little-endian numbers of a numpy `kind` (f4, u2, u1) in base64."""
    array = np.asarray(values).astype(np.dtype(f"<{kind}"))
    return base64.b64encode(array.tobytes()).decode("ascii")


def pack_curve(values: np.ndarray, low: float, high: float) -> str:
    """Pack values `[T]` as the nearest of 256 steps from `low` to `high`, a byte each, base64."""
    share = (np.asarray(values, dtype=float) - low) / max(high - low, np.finfo(float).tiny)
    return pack_column(np.rint(np.clip(share, 0, 1) * LEVELS), "u1")


def value_range(arrays: Sequence[np.ndarray], *inside: float) -> tuple[float, float]:
    """Return the smallest range of all values and `inside`; (0, 1) if there are none."""
    parts = [np.asarray(array, dtype=float).ravel() for array in arrays]
    every = np.concatenate([*parts, np.asarray(inside, dtype=float)])
    return (float(every.min()), float(every.max())) if len(every) else (0.0, 1.0)
