"""Average precision over the orders in which equal scores may be ranked.

An evaluator that sorts detections with an unstable sort may rank equal scores in any order, and the
order decides which hit comes before which miss, and which detection takes an instance. `tied_ap`
gives the worst, the best or the mean over all orders; `match` itself ranks them stably.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import permutations, product
from math import factorial, prod

import numpy as np
import pandas as pd

from wstal.base.errors import WstalError
from wstal.evaluate.average_precision import match, match_ap

ORDERS = 720  # a class with so many orders at most has them all scored
SAMPLE = 200  # random orders (seed 0) for the mean of a class with more


def tied_ap(
    ground_truth: pd.DataFrame,
    predictions: pd.DataFrame,
    tious: Sequence[float],
    classes: Sequence[str],
    ties: str,
) -> np.ndarray:
    """Return the average precision `[I, C]` with equal scores ranked by `ties`.

    Frames and errors as in `detection_map`. `stable` is the order of `match`. `worst` and `best`
    are the least and the greatest value over all orders, of each class and threshold by itself;
    `mean` gives every order the same weight. A class with at most `ORDERS` orders has them all
    scored. For one with more, worst and best are those of an order built for the purpose, which
    is extreme unless tied detections of a video compete for several instances; the mean is over
    `SAMPLE` random orders.
    """
    matches = match(ground_truth, predictions, tious, classes)
    ap = match_ap(matches)
    if ties == "stable":
        return ap
    if ties not in ("worst", "best", "mean"):
        raise WstalError(f"ties {ties!r} is not known; it is stable, worst, best or mean")
    scores = predictions["score"].to_numpy(float)
    for index, label in enumerate(matches.classes):
        rows = matches.order[matches.class_slice(index)]
        if len(np.unique(scores[rows])) == len(rows) or not matches.instances[:, index].any():
            continue
        truth = ground_truth[ground_truth["label"] == label]
        found = predictions.iloc[rows[::-1]]  # by rising rank: of equals `match` takes the later
        group = np.unique(found["score"], return_inverse=True)[1]
        if ties == "mean" or _count(group) <= ORDERS:
            every = _ap_of_orders(truth, found, tious, list(_orders(group)))
            reduce = {"worst": np.min, "best": np.max, "mean": np.mean}[ties]
            ap[:, index] = reduce(every, axis=1)
            continue
        for level, tiou in enumerate(tious):
            order = _extreme_order(truth, found, group, tiou, best=ties == "best")
            ap[level, index] = _ap_of_orders(truth, found, [tiou], [order])[0, 0]
    return ap


def _count(group: np.ndarray) -> int:
    """The number of orders that keep the order of the groups."""
    sizes = np.bincount(group)
    return prod(map(factorial, sizes.tolist())) if sizes.max() < 100 else ORDERS + 1


def _orders(group: np.ndarray) -> Iterator[np.ndarray]:
    """Orders of rows within their groups, which are 0, 1, ..: all, or a sample of too many."""
    places = np.split(np.argsort(group, kind="stable"), np.cumsum(np.bincount(group))[:-1])
    if _count(group) <= ORDERS:
        for parts in product(*(permutations(each.tolist()) for each in places)):
            yield np.concatenate(parts).astype(int)
        return
    rng = np.random.default_rng(0)
    for _ in range(SAMPLE):
        yield np.concatenate([rng.permutation(each) for each in places])


def _ap_of_orders(
    truth: pd.DataFrame, found: pd.DataFrame, tious: Sequence[float], orders: list[np.ndarray]
) -> np.ndarray:
    """AP of one class in each order `[I, R]`; to `match` each order is a class of its own."""
    names = np.arange(len(orders))
    many = found.iloc[np.concatenate(orders)].assign(label=np.repeat(names, len(found)))
    same = truth.iloc[np.tile(np.arange(len(truth)), len(orders))]
    same = same.assign(label=np.repeat(names, len(truth)))
    return match_ap(match(same, many, tious, list(names)))


def _extreme_order(
    truth: pd.DataFrame, found: pd.DataFrame, group: np.ndarray, tiou: float, *, best: bool
) -> np.ndarray:
    """The order of the best or worst AP at a threshold; `found` and the order by rising rank.

    Hits come first, or as late as possible: a miss that would take the instance of a tied hit if
    it came earlier has to follow it. So the misses that nothing binds come first, then the hits,
    those that are followed by most misses before the others. A neutral detection, which counts as
    a hit alone, takes an instance after the others do, or before.
    """
    neutral = np.zeros(len(found), dtype=bool)
    if "neutral" in found:
        neutral = found["neutral"].to_numpy(bool)
    first = np.lexsort((neutral != best, group))  # the last of equals ranks first
    frame, tied = found.iloc[first].assign(label=0), group[first]
    matches = match(truth.assign(label=0), frame, [tiou], [0])
    taken = np.full(len(frame), -1)
    taken[matches.order] = matches.matched[0]
    rows = pd.DataFrame(
        {"row": np.arange(len(frame)), "group": tied, "video": frame["video_id"].to_numpy()}
    )
    hit = taken >= 0
    if best:
        return first[np.lexsort((rows["row"], hit, tied))]
    pairs = rows[~hit].merge(rows[hit], on=["group", "video"], suffixes=("_miss", "_hit"))
    spans = frame[["t_start", "t_end"]].to_numpy(float)[pairs["row_miss"]]
    instances = truth[["t_start", "t_end"]].to_numpy(float)[taken[pairs["row_hit"]]]
    bound = pairs[_tiou(spans, instances) >= tiou].groupby("row_miss")["row_hit"].min()
    leader = rows["row"].to_numpy().copy()  # a hit leads itself, a bound miss follows one
    leader[bound.index] = bound.to_numpy()
    counted = bound[~neutral[first][bound.index]]
    followers = np.bincount(counted, minlength=len(rows))[leader]
    free = ~hit & (leader == rows["row"])
    # By rising rank, so a leader is after those that follow it in rank.
    return first[np.lexsort((hit, leader, followers, free, tied))]


def _tiou(spans: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The tIoU of pairs of segments, `[N, 2]` each."""
    shared = np.minimum(spans[:, 1], others[:, 1]) - np.maximum(spans[:, 0], others[:, 0])
    shared = np.maximum(shared, 0)
    union = np.ptp(spans, axis=1) + np.ptp(others, axis=1) - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
