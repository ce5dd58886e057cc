"""Mean average precision of detections and of video-level classification.

`match` decides which predictions hit which ground-truth instances, at every tIoU threshold at once.
`detection_map` is ActivityNet's definition: interpolated average precision over matched
predictions. `video_map` ranks whole videos, which is all that can be measured where no segment is
annotated; its average precision is not interpolated. The average precisions they are made of
follow.

ActivityNet's rule of matching: within a class, predictions are visited in falling order of score;
each takes the unmatched instance of its video that it overlaps most, if that overlap reaches the
threshold. Thus every instance prefers the better-ranked prediction, and deferred acceptance
(instances are offered round by round) gives the same pairs as the loop over predictions, with whole
arrays per round.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from wstal.base.errors import WstalError

PAIRS = 1 << 19  # prediction-instance pairs in memory at once, about 30 MB


@dataclass(frozen=True)
class Matches:
    """Predictions of the known classes, ordered by class, then rank, and what they hit.

    `order` `[N]` holds their rows in the given frame, `label` `[N]` class indices, `video` `[N]`
    indices into `videos`, `matched` `[I, N]` the row of the ground-truth frame that each one takes
    at each threshold, or -1. `neutral` `[N]` is true if a miss does not count against a
    prediction. `instances` `[V, C]` counts the ground truth.
    """

    tious: np.ndarray
    classes: list[str]
    videos: np.ndarray
    order: np.ndarray
    label: np.ndarray
    video: np.ndarray
    matched: np.ndarray
    neutral: np.ndarray
    instances: np.ndarray

    @property
    def hits(self) -> np.ndarray:
        """Whether each prediction is a true positive, bool `[I, N]`."""
        return self.matched >= 0

    def class_slice(self, index: int) -> slice:
        """Return the slice of the predictions of a class."""
        first, last = np.searchsorted(self.label, [index, index + 1])
        return slice(int(first), int(last))


def match(
    ground_truth: pd.DataFrame,
    predictions: pd.DataFrame,
    tious: Sequence[float],
    classes: Sequence[str] | None = None,
) -> Matches:
    """Match predictions to ground truth; see `detection_map` for the frames and the errors.

    Predictions whose label is not in `classes` (default: the sorted labels of the ground truth)
    are ignored. Ties follow ActivityNet's reversed sort: of equal scores the later row ranks
    first, of equal overlaps the later instance is taken.
    """
    _check(ground_truth, "ground truth", [])
    _check(predictions, "predictions", ["score"])
    known = sorted(ground_truth["label"].unique()) if classes is None else list(classes)
    gt_label = pd.Index(known).get_indexer(ground_truth["label"])
    label = pd.Index(known).get_indexer(predictions["label"])
    codes, videos = pd.factorize(pd.concat([ground_truth["video_id"], predictions["video_id"]]))
    gt_video, video = codes[: len(ground_truth)], codes[len(ground_truth) :]

    score = predictions["score"].to_numpy(float)
    order = np.argsort(score, kind="stable")[::-1]
    order = order[label[order] >= 0]
    small = np.int16 if len(known) < 1 << 15 else np.int64  # numpy sorts int16 by radix
    order = order[np.argsort(label[order].astype(small), kind="stable")]
    label, video = label[order], video[order]
    instances = np.zeros((len(videos), len(known)), dtype=np.int64)
    inside = gt_label >= 0
    np.add.at(instances, (gt_video[inside], gt_label[inside]), 1)
    neutral = np.zeros(len(order), dtype=bool)
    if "neutral" in predictions:
        neutral = predictions["neutral"].to_numpy(bool)[order]

    thresholds = np.asarray(tious, dtype=float)
    matched = _assign(
        _spans(ground_truth)[inside],
        np.flatnonzero(inside),
        (gt_video * len(known) + gt_label)[inside],
        _spans(predictions)[order],
        video * len(known) + label,
        thresholds,
    )
    return Matches(thresholds, known, videos, order, label, video, matched, neutral, instances)


def _spans(frame: pd.DataFrame) -> np.ndarray:
    return frame[["t_start", "t_end"]].to_numpy(float).reshape(-1, 2)


def _check(frame: pd.DataFrame, name: str, extra: list[str]) -> None:
    wanted = ["video_id", "t_start", "t_end", "label", *extra]
    if absent := [column for column in wanted if column not in frame]:
        raise WstalError(f"{name}: columns {absent} are missing; it has {list(frame.columns)}")
    numbers = frame[["t_start", "t_end", *extra]].to_numpy(float)
    if not np.isfinite(numbers).all():
        row = int(np.flatnonzero(~np.isfinite(numbers).all(axis=1))[0])
        raise WstalError(f"{name}: row {row} has a number that is not finite: {numbers[row]}")
    if (inverted := numbers[:, 1] < numbers[:, 0]).any():
        row = int(np.flatnonzero(inverted)[0])
        raise WstalError(f"{name}: row {row} ends before it starts: {numbers[row, :2]}")


def _assign(
    gt: np.ndarray,
    gt_rows: np.ndarray,
    gt_group: np.ndarray,
    spans: np.ndarray,
    group: np.ndarray,
    tious: np.ndarray,
) -> np.ndarray:
    """The row of `gt_rows` that each prediction takes, `[I, N]`, -1 for none.

    `spans` are in falling rank within each group (a video and a class). The work is done in pieces
    of about `PAIRS` pairs at most. Better-ranked predictions come first, so what they take in an
    earlier piece is no longer available.
    """
    matched = np.full((len(tious), len(spans)), -1, dtype=np.int32)
    floor = tious.min(initial=np.inf)
    row, first, count, by_start = _candidates(gt, gt_group, spans, group, floor)
    taken = np.zeros((len(tious), len(gt)), dtype=bool)
    for piece in _pieces(count):
        rows, instance, overlap = _overlaps(
            spans, gt, row[piece], first[piece], count[piece], by_start, floor
        )
        for index, tiou in enumerate(tious):
            enough = overlap >= tiou
            pairs = _deferred_acceptance(rows[enough], instance[enough], taken[index])
            matched[index, pairs[0]] = gt_rows[pairs[1]]
            taken[index, pairs[1]] = True
    return matched


def _candidates(
    gt: np.ndarray, gt_group: np.ndarray, spans: np.ndarray, group: np.ndarray, floor: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Rows with any candidate, and the range `first`, `count` of `by_start` that holds them.

    `by_start` lists the instances by group and start. A prediction can only overlap instances
    that start before its end, and that follow the first of its group to end after its start.
    """
    by_start = np.lexsort((gt[:, 0], gt_group))
    groups = gt_group[by_start]
    size = np.bincount(gt_group, minlength=group.max(initial=-1) + 1)
    row = np.flatnonzero(size[group])
    last = np.cumsum(size)[group[row]]
    first = last - size[group[row]]
    if floor > 0 and len(row):
        low = min(gt.min(), spans[row].min())
        width = max(gt.max(), spans[row].max()) - low + 1
        slack = 1e-9 * width * (groups.max() + 1)  # ranges may be too long, never too short
        reach = np.maximum.accumulate(groups * width + gt[by_start, 1] - low)
        ends = np.searchsorted(reach, group[row] * width + spans[row, 0] - low - slack)
        starts = groups * width + gt[by_start, 0] - low
        begun = np.searchsorted(starts, group[row] * width + spans[row, 1] - low + slack)
        first, last = np.maximum(first, ends), np.minimum(last, begun)
    near = last > first
    return row[near], first[near], (last - first)[near], by_start


def _pieces(count: np.ndarray) -> list[slice]:
    block = (np.cumsum(count) - count) // PAIRS
    cuts = [0, *(np.flatnonzero(np.diff(block)) + 1), len(count)]
    return [slice(a, b) for a, b in zip(cuts, cuts[1:], strict=False) if b > a]


def _overlaps(
    spans: np.ndarray,
    gt: np.ndarray,
    row: np.ndarray,
    first: np.ndarray,
    count: np.ndarray,
    by_start: np.ndarray,
    floor: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs with tIoU of at least `floor`, by prediction, falling tIoU, later instance first."""
    at = np.arange(count.sum()) + np.repeat(first - (np.cumsum(count) - count), count)
    row, instance = np.repeat(row, count), by_start[at]
    (start, end), (gt_start, gt_end) = spans[row].T, gt[instance].T
    shared = np.maximum(np.minimum(end, gt_end) - np.maximum(start, gt_start), 0)
    union = (end - start) + (gt_end - gt_start) - shared
    overlap = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    near = overlap >= floor
    row, instance, overlap = row[near], instance[near], overlap[near]
    same = np.append(row[1:] == row[:-1], False)
    several = np.flatnonzero(same | np.roll(same, 1))  # only rows with a choice need sorting
    order = np.lexsort((-instance[several], -overlap[several], row[several]))
    for values in (instance, overlap):
        values[several] = values[several[order]]
    return row, instance, overlap


def _deferred_acceptance(
    row: np.ndarray, instance: np.ndarray, taken: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Final (row, instance) pairs, from pairs in each row's order of preference.

    Every row proposes to its next instance; an instance keeps the lowest row that proposed. Rows
    that are refused or displaced propose again, until no row has an instance left to propose to.
    """
    free = ~taken[instance]
    row, instance = row[free], instance[free]
    if not len(row):
        return row, instance
    rows, at = np.unique(row, return_index=True)
    stop = np.append(at[1:], len(row))
    nothing = len(rows)
    holder = np.full(len(taken), nothing)
    proposing = np.arange(nothing)
    while len(proposing):
        proposed = instance[at[proposing]]
        before = holder[proposed]
        np.minimum.at(holder, proposed, proposing)
        now = holder[proposed]
        refused = proposing[now != proposing]
        displaced = np.unique(before[(before != now) & (before != nothing)])
        proposing = np.concatenate([refused, displaced])
        at[proposing] += 1
        proposing = proposing[at[proposing] < stop[proposing]]
    kept = np.flatnonzero(holder < nothing)
    return rows[holder[kept]], kept


def detection_map(
    ground_truth: pd.DataFrame,
    predictions: pd.DataFrame,
    tious: Sequence[float],
    classes: Sequence[str] | None = None,
) -> dict[str, np.ndarray]:
    """Return interpolated average precision per tIoU and class, and its mean over classes.

    `ground_truth` has the columns video_id, t_start, t_end, label; `predictions` also has `score`
    (greater is better), and may have a bool column `neutral` (see `protocols`). Times are in any
    one unit, half-open. Returns fractions `{"ap": [I, C], "map": [I]}`, C in the order of
    `classes` or of the sorted labels of the ground truth. A class without ground truth is NaN and
    left out of the mean; a class without predictions has AP 0; predictions of labels outside
    `classes` are ignored; predictions in videos without ground truth are misses.

    Raises WstalError for missing columns, numbers that are not finite, inverted segments.
    """
    ap = match_ap(match(ground_truth, predictions, tious, classes))
    return {"ap": ap, "map": class_mean(ap)}


def match_ap(matches: Matches) -> np.ndarray:
    """Return the average precision `[I, C]` of matched predictions."""
    positives, hits = matches.instances.sum(axis=0), matches.hits
    ap = np.full((len(matches.tious), len(matches.classes)), np.nan)
    for index, count in enumerate(positives):
        rows = matches.class_slice(index)
        neutral = matches.neutral[rows] if matches.neutral.any() else None
        ap[:, index] = interpolated_ap(hits[:, rows], count, neutral)
    return ap


def video_map(scores: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray | float]:
    """Return the non-interpolated AP of ranking videos by score, per class, and its mean.

    `scores` `[V, C]` real, `labels` `[V, C]` 0 or 1. Returns fractions `{"ap": [C], "map"}`;
    a class without a video is NaN and left out of the mean. Of equal scores the earlier video
    ranks first. Raises WstalError for unequal shapes or scores that are not finite.
    """
    scores, labels = np.asarray(scores, dtype=float), np.asarray(labels) > 0
    if scores.shape != labels.shape or scores.ndim != 2:
        raise WstalError(f"scores {scores.shape} and labels {labels.shape} must agree as [V, C]")
    if not np.isfinite(scores).all():
        video, index = np.argwhere(~np.isfinite(scores))[0]
        raise WstalError(f"the score of video {video}, class {index} is {scores[video, index]}")
    order = np.argsort(-scores, axis=0, kind="stable")
    ranked = np.take_along_axis(labels, order, axis=0)
    ap = np.array([ranked_ap(column, column.sum()) for column in ranked.T])
    return {"ap": ap, "map": float(class_mean(ap))}


def interpolated_ap(
    hits: np.ndarray,
    positives: float,
    neutral: np.ndarray | None = None,
    normalizer: float | None = None,
) -> np.ndarray:
    """Return the area under the monotone precision-recall curve, one value per threshold.

    `hits` `[I, N]` bool in falling rank, `positives` the number of instances (0 gives NaN),
    `neutral` `[N]` bool: a prediction that is ignored unless it hits. `normalizer` is DETAD's N:
    in the precision, hits are rescaled to a class of N instances, so that classes or subsets of
    unequal size are comparable.
    """
    if positives == 0:
        return np.full(len(hits), np.nan)
    scale = 1.0 if normalizer is None else normalizer / positives
    return np.array([_area(row, neutral, scale) / positives for row in hits])


def _area(hits: np.ndarray, neutral: np.ndarray | None, scale: float) -> float:
    """Sum over the hits of the best precision from there on.

    Precision rises at hits and falls between them, so only its values at hits are needed.
    """
    at = np.flatnonzero(hits)
    counted = at + 1 if neutral is None else np.cumsum(hits | ~neutral)[at]
    found = np.arange(1, len(at) + 1)
    precision = found * scale / (found * scale + counted - found)
    return float(np.maximum.accumulate(precision[::-1]).sum())


def ranked_ap(hits: np.ndarray, positives: float) -> float:
    """Return the mean precision at the hits, not interpolated; `hits` `[N]` bool by rank."""
    if positives == 0:
        return float("nan")
    found = np.cumsum(hits)
    return float((found / np.arange(1, len(hits) + 1) * hits).sum() / positives)


def class_mean(values: np.ndarray) -> np.ndarray:
    """Return the mean over the last axis without NaN; NaN if nothing is left."""
    values = np.asarray(values, dtype=float)
    known = ~np.isnan(values)
    count = known.sum(axis=-1)
    total = np.where(known, values, 0.0).sum(axis=-1)
    return np.divide(total, count, out=np.full(np.shape(total), np.nan), where=count > 0)
