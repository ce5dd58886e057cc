"""Is one run better than another? A paired bootstrap over videos.

Videos are drawn with replacement, the same ones for both runs. A draw does not change which
prediction hits which instance, only how often each video counts: matching is done once, and a
draw costs weighted sums. The seeds of a run are averaged within each draw and are not drawn
themselves, so the interval is about these trained models on other videos.

`read_strict_runs` reads what two runs are compared by, `compare` makes the table, and
`class_differences` that of the classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from wstal.base.errors import WstalError
from wstal.evaluate.average_precision import Matches, class_mean, match
from wstal.evaluate.events import Events, Judged, judge
from wstal.evaluate.ground_truth import GroundTruth
from wstal.evaluate.map_table import (
    best_event_iteration,
    best_iteration,
    metric_values,
    read_event_seeds,
    read_known_history,
    read_scored_detections,
    require_one_per_seed,
)
from wstal.evaluate.protocols import Prepared, Protocol, prepare

COLUMNS = [
    "a",
    "b",
    "protocol",
    "checkpoint",
    "metric",
    "a_value",
    "b_value",
    "difference",
    "low",
    "high",
    "p",
    "resamples",
    "valid",
    "videos",
    "seeds_a",
    "seeds_b",
    "coverage",
    "note",
]
LEAST_VIDEOS = 10  # fewer say nothing about other videos: their draws hardly differ
WEIGHTS = 1 << 22  # prediction weights in memory at once (float64, 32 MB)
Run = Sequence[Prepared] | Sequence[Judged]  # the seeds of a run, as a protocol scores them


def read_strict_runs(
    truth: GroundTruth,
    protocol: Protocol,
    usable: set[str] | None,
    given: Sequence[tuple[Sequence[Path], Sequence[Path]]],
    warn: Callable[[str], object] = lambda line: None,
) -> tuple[str, list[list[Prepared]] | list[list[Judged]]]:
    """Return what two or more runs are compared by: (checkpoint, each run's seeds as scored).

    `given` has for each run the files of its seeds: the last iterate in proposals.json (under a
    protocol of events scores.h5) and, if there are any, proposals_by_iteration.json.gz
    (scores_by_iteration.h5), which give the best on validation. `warn` receives warnings for the
    user. Raises WstalError if the checkpoints cannot be chosen in the same way.
    """
    checkpoints, runs = set(), []
    for files, histories in given:
        runs.append([])
        if protocol.task == "events":
            for last, history in read_event_seeds(truth, protocol, files, histories):
                name, events = choose_strict_events(truth, protocol, last, history)
                checkpoints.add(name)
                runs[-1].append(judge(truth, protocol, events))
            continue
        require_one_per_seed(files, histories)
        for path, history in zip(files, histories or [None] * len(files), strict=True):
            found = read_scored_detections(truth, protocol, path, warn)
            name, found = choose_strict_detections(truth, protocol, found, history, usable)
            checkpoints.add(name)
            runs[-1].append(prepare(truth, found, protocol, usable))
    if len(checkpoints) > 1:
        raise WstalError(
            f"checkpoints {', '.join(sorted(checkpoints))} cannot be compared; give the files by "
            "iteration of every run, or of none"
        )
    return checkpoints.pop(), runs


def choose_strict_detections(
    truth: GroundTruth,
    protocol: Protocol,
    last: pd.DataFrame,
    history: Path | None,
    usable: set[str] | None,
) -> tuple[str, pd.DataFrame]:
    """Return checkpoint and detections of the strict reading: best on validation, if scored."""
    validation = [video for video, subset in truth.subset.items() if subset == "val"]
    if history is not None and len(truth.segments(validation)):
        iterations = read_known_history(truth, history, protocol)
        best = best_iteration(truth, protocol, iterations, usable, "val")
        if best is not None:
            return "best_val", iterations[best]
    return "last", last


def choose_strict_events(
    truth: GroundTruth, protocol: Protocol, last: Events, iterations: Mapping[int, Events]
) -> tuple[str, Events]:
    """Return checkpoint and events of the strict reading: best on validation, if it is scored."""
    if "val" not in protocol.subsets:
        best = best_event_iteration(truth, protocol.on_subset("val"), iterations)
        if best is not None:
            return "best_val", iterations[best]
    return "last", last


def compare(
    a: Run,
    b: Run,
    protocol: Protocol,
    *,
    names: Sequence[str] = ("a", "b"),
    resamples: int = 1000,
    seed: int = 0,
    checkpoint: str = "last",
    note: str = "",
    track: Callable = iter,
) -> pd.DataFrame:
    """Return `paired_bootstrap` as the frame of compare_{a}_vs_{b}.csv.

    `checkpoint` names the checkpoint of the results, `names` the two runs. Of fewer than
    `LEAST_VIDEOS` videos it gives the difference alone, and a note.
    """
    rows = paired_bootstrap(a, b, protocol, resamples=resamples, seed=seed, track=track)
    if few := note_few_videos(len(a[0].videos)):
        rows = [{**row, "low": np.nan, "high": np.nan, "p": np.nan, "note": few} for row in rows]
    common = {
        "a": names[0],
        "b": names[1],
        "protocol": protocol.name,
        "checkpoint": checkpoint,
        "resamples": resamples,
        "videos": len(a[0].videos),
        "seeds_a": len(a),
        "seeds_b": len(b),
        "coverage": str(a[0].coverage),
    }
    for row in rows:
        row["note"] = "; ".join(text for text in (note, row["note"]) if text)
    return pd.DataFrame([{**common, **row} for row in rows], columns=COLUMNS)


def note_few_videos(videos: int) -> str:
    """Return the note that there is no interval because of too few videos; empty if there is."""
    if videos >= LEAST_VIDEOS:
        return ""
    return f"no interval: {videos} videos are too few, at least {LEAST_VIDEOS} are needed"


def paired_bootstrap(
    a: Run,
    b: Run,
    protocol: Protocol,
    *,
    resamples: int = 1000,
    seed: int = 0,
    track: Callable = iter,
) -> list[dict[str, Any]]:
    """Compare run `a` with run `b`, each given as its seeds' prepared (or judged) results.

    Returns a row per metric: a_value and b_value (mean over seeds, percent), difference (a
    minus b) with the ends `low` and `high` of its 95 % percentile interval, and `p`, twice the
    smaller share of draws on either side of zero, with one added to both counts. A draw without
    any annotated instance has no value: `valid` counts the draws that have one, and only these
    give interval and p. If fewer than half of the draws are valid, both are NaN and `note` says
    why. Raises WstalError unless all results are of the same videos and ties are ranked stably.
    """
    if protocol.ties != "stable":
        raise WstalError(
            f"protocol {protocol.name} has `ties: {protocol.ties}`, but the draws of a comparison "
            "have one order of equal scores; choose a protocol with `ties: stable`"
        )
    videos, weights = _draw_videos([*a, *b], resamples, seed)
    metrics = ["accuracy"]
    if protocol.task != "events":
        metrics = list(metric_values(protocol, np.zeros((len(protocol.tious), 1))))

    def draws(result: Prepared | Judged) -> np.ndarray:
        if protocol.task == "events":
            return event_draws(result, videos, weights)
        return _metric_draws(result, protocol, videos, weights)

    means = [sum(draws(result) / len(run) for result in track(run)) for run in (a, b)]
    return [
        {"metric": metric, **_difference(means[0][:, index], means[1][:, index])}
        for index, metric in enumerate(metrics)
    ]


def class_differences(
    a: Run,
    b: Run,
    protocol: Protocol,
    classes: Sequence[str],
    *,
    resamples: int = 1000,
    seed: int = 0,
    track: Callable = iter,
) -> list[dict[str, Any]]:
    """Return the difference of each class as `paired_bootstrap` does, with `class` in each row.

    `classes` are those of the ground truth. The metric is the class's AP, averaged over the
    protocol's `select`, or the share of its annotated seconds that are answered right; the last
    class of events is background. Classes without ground truth are left out. Of fewer than
    `LEAST_VIDEOS` videos there is no interval.
    """
    videos, weights = _draw_videos([*a, *b], resamples, seed)
    events = protocol.task == "events"
    metric = "recall" if events else f"AP@{protocol.select}"
    names = [*classes, *(["background"] if events else [])]

    def draws(result: Prepared | Judged) -> np.ndarray:
        if events:
            return _recall_draws(result, videos, weights, len(names))
        inside = protocol.average_indices(protocol.select)
        tious = [protocol.tious[index] for index in inside]
        parts = _ap_draws(result, tious, videos, weights)
        return np.concatenate([ap.mean(axis=1) for ap in parts])

    means = [sum(draws(result) / len(run) for result in track(run)) for run in (a, b)]
    rows = []
    for index, name in enumerate(names):
        if np.isnan(means[0][0, index]):
            continue
        row = {"class": name, "metric": metric}
        row |= _difference(means[0][:, index], means[1][:, index])
        if few := note_few_videos(len(videos)):
            row |= {"low": np.nan, "high": np.nan, "p": np.nan, "note": few}
        rows.append(row)
    return rows


def _draw_videos(results: Run, resamples: int, seed: int) -> tuple[list[str], np.ndarray]:
    """The videos of all results, and how often each counts, `[1 + R, V]`; first once each."""
    videos = _shared_videos(results)
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(len(videos), np.full(len(videos), 1 / len(videos)), size=resamples)
    return videos, np.concatenate([np.ones((1, len(videos)), dtype=draws.dtype), draws])


def _difference(a: np.ndarray, b: np.ndarray) -> dict[str, Any]:
    """A row from the values of two runs, fractions `[1 + R]`, the first of all videos once."""
    drawn = (a - b)[1:]
    low, high, p, note = _interval(drawn[~np.isnan(drawn)], len(drawn))
    values = {"a_value": a[0], "b_value": b[0], "difference": (a - b)[0], "low": low, "high": high}
    return {
        **{key: round(100 * float(value), 6) for key, value in values.items()},
        "p": round(p, 6),
        "valid": int(np.count_nonzero(~np.isnan(drawn))),
        "note": note,
    }


def _shared_videos(results: Run) -> list[str]:
    """The videos of all results, sorted; of a missing one, another would be drawn instead."""
    each = [set(result.videos) for result in results]
    if odd := sorted(set.union(*each) - set.intersection(*each)):
        raise WstalError(
            f"video {odd[0]} is scored in one run and not in the other ({len(odd)} such videos); "
            "compare runs on the same features"
        )
    return sorted(each[0])


def _interval(drawn: np.ndarray, resamples: int) -> tuple[float, float, float, str]:
    """Low, high, p and a note, from the differences of the valid draws."""
    if 2 * len(drawn) < resamples or not len(drawn):
        note = f"no interval: {resamples - len(drawn)} of {resamples} draws without an instance"
        return np.nan, np.nan, np.nan, note
    low, high = np.percentile(drawn, [2.5, 97.5])
    sides = 1 + min(np.count_nonzero(drawn <= 0), np.count_nonzero(drawn >= 0))
    return float(low), float(high), float(min(1.0, 2 * sides / (1 + len(drawn)))), ""


def _metric_draws(
    prepared: Prepared, protocol: Protocol, videos: list[str], weights: np.ndarray
) -> np.ndarray:
    """Every metric on every draw `[R, M]`, fractions."""
    parts = []
    for ap in _ap_draws(prepared, protocol.tious, videos, weights):
        values = metric_values(protocol, np.moveaxis(ap, 1, 0))
        parts.append(np.stack([class_mean(value) for value in values.values()], axis=1))
    return np.concatenate(parts)


def _ap_draws(
    prepared: Prepared, tious: Sequence[float], videos: list[str], weights: np.ndarray
) -> Iterator[np.ndarray]:
    """The AP `[r, I, C]` of a few draws after the other."""
    matches = match(prepared.ground_truth, prepared.predictions, tious, prepared.classes)
    column = pd.Index(videos).get_indexer(pd.Index(matches.videos))
    step = max(1, WEIGHTS // max(1, len(matches.order)))
    for first in range(0, len(weights), step):
        yield weighted_ap(matches, weights[first : first + step][:, column])


def weighted_ap(matches: Matches, weights: np.ndarray) -> np.ndarray:
    """Return AP `[R, I, C]` if video v counts `weights[r, v]` times; `weights` is `[R, V]`.

    `weights` follows `matches.videos`. A class whose instances all have weight 0 is NaN. A
    video drawn k times is exactly k copies of it, each with its own instances: precision at
    the last copy of a hit is the best among its copies, so that one step of weight k is enough.
    """
    draws = len(weights)
    ap = np.full((draws, len(matches.tious), len(matches.classes)), np.nan)
    positives = weights @ matches.instances
    for index in range(len(matches.classes)):
        rows = matches.class_slice(index)
        drawn = weights[:, matches.video[rows]].astype(float)
        ranked, neutral = np.cumsum(drawn, axis=1), matches.neutral[rows]
        for level, hits in enumerate(matches.hits[:, rows]):
            at = np.flatnonzero(hits)
            counted = ranked[:, at]
            if neutral.any():
                counted = counted - np.cumsum(drawn * (neutral & ~hits), axis=1)[:, at]
            ap[:, level, index] = _weighted_area(drawn[:, at], counted, positives[:, index])
    return ap


def _weighted_area(weight: np.ndarray, counted: np.ndarray, positives: np.ndarray) -> np.ndarray:
    """Interpolated AP `[R]` from the weights of hits and of all counted up to them, `[R, H]`."""
    precision = np.divide(
        np.cumsum(weight, axis=1), counted, out=np.zeros_like(weight), where=counted > 0
    )
    # A hit of weight 0 repeats the precision before it, which no later recall step may use.
    precision[weight == 0] = 0
    best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    area = (best * weight).sum(axis=1)
    return np.divide(area, positives, out=np.full(len(area), np.nan), where=positives > 0)


def event_draws(judged: Judged, videos: list[str], weights: np.ndarray) -> np.ndarray:
    """Return the accuracy over all seconds on every draw `[R, 1]`; videos have equal length.

    Raises WstalError for a video that was not judged.
    """
    place = _judged_rows(judged, videos)
    return (weights @ judged.share_right[place] / weights.sum(axis=1))[:, None]


def _recall_draws(judged: Judged, videos: list[str], weights: np.ndarray, count: int) -> np.ndarray:
    """The share of each class's seconds answered right, on every draw `[R, C]`; C is `count`."""
    place = _judged_rows(judged, videos)
    labels, given = judged.labels[place], judged.given[place]
    seconds = labels[:, None, :] == np.arange(count)[:, None]  # [V, C, S]
    total = (weights @ seconds.sum(axis=2)).astype(float)
    right = weights @ (seconds & (given == labels)[:, None, :]).sum(axis=2)
    return np.divide(right, total, out=np.full(total.shape, np.nan), where=total > 0)


def _judged_rows(judged: Judged, videos: list[str]) -> np.ndarray:
    """The row of each video; raises WstalError for one that was not judged."""
    place = pd.Index(judged.videos).get_indexer(pd.Index(videos))
    if (place < 0).any():
        raise WstalError(
            f"video {videos[int((place < 0).argmax())]} is scored in one run and not in the other; "
            "compare runs on the same features"
        )
    return place
