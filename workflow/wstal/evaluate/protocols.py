"""Protocols: every convention that changes an mAP, in one small mapping each.

A protocol states which videos count, in which units, how ambiguous segments, repeated annotations
and videos without features are treated, and which thresholds are averaged. `prepare` turns ground
truth and predictions in seconds into what `match` scores.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from annotated_types import Ge, Gt, Le, MinLen

from wstal.base.errors import WstalError
from wstal.base.settings import NonNegative, SettingsError, from_plain, refuse_repeated
from wstal.evaluate.ground_truth import Coverage, GroundTruth, coverage_of

# How a checkpoint is chosen: the last iterate, the best on validation, the best on test.
Checkpoint = Literal["last", "best_val", "best_test"]
# How a run's number was obtained (docs/evaluation.md); the first is the default.
READINGS = ("strict", "paper", "best_test", "best_seed")
_AVERAGE = re.compile(r"[0-9.]+:[0-9.]+")


@dataclass(frozen=True)
class Protocol:
    """The conventions that one number is scored by."""

    name: str
    title: str  # what the protocol is, in one line
    tious: tuple[Annotated[float, Gt(0), Le(1)], ...]  # thresholds; empty for events
    averages: tuple[str, ...]  # ranges of `tious`, ends included, whose mAP is averaged: 0.1:0.7
    select: str  # the average by which best_val and best_test are chosen; empty for events
    kinds: tuple[str, ...] = ()  # kinds of dataset whose ledger scores this protocol
    # Segments with mAP, or one class per second with accuracy.
    task: Literal["detection", "events"] = "detection"
    seconds: Annotated[int, Ge(1)] = 10  # task events: how many seconds of each video are scored
    # Subsets whose videos are scored.
    subsets: Annotated[tuple[Literal["train", "val", "test"], ...], MinLen(1)] = ("test",)
    list: str | None = None  # a named video list of annotations.json; null: the whole subsets
    exclude: tuple[str, ...] = ()  # ids left out, with their ground truth and their predictions
    # Ids whose detections are left out and whose ground truth stays: each instance is missed.
    unpredicted: tuple[str, ...] = ()
    # Videos with a shorter annotated duration, in seconds, are left out.
    min_seconds: NonNegative = 0.0
    # How many videos the list should name; the coverage says how many it does.
    videos: Annotated[int, Ge(1)] | None = None
    # snippets: ground truth is rounded to whole snippets before it is scored.
    units: Literal["seconds", "snippets"] = "seconds"
    snippets_per_second: Annotated[float, Gt(0)] = 25 / 16  # frame rate by snippet length
    # Detections that overlap an ambiguous segment: treated like all others, removed whatever their
    # class, or removed unless they hit.
    ambiguous: Literal["ignore", "filter", "neutral"] = "ignore"
    # Class: the class whose instances it repeats. These repetitions leave the ground truth.
    duplicates: Mapping[str, str] = field(default_factory=dict)
    # Equal scores: in the order of `match`, or the worst, the best or the mean over all orders.
    ties: Literal["stable", "worst", "best", "mean"] = "stable"
    # Videos without features: out of the ground truth, or all of their instances missed.
    coverage_rule: Literal["restricted", "missing_is_miss"] = "restricted"

    def __post_init__(self) -> None:
        for key in ("tious", "averages", "subsets", "exclude", "unpredicted"):
            refuse_repeated(key, getattr(self, key))
        for average in (*self.averages, *filter(None, [self.select])):
            self.average_indices(average)

    def average_indices(self, average: str) -> list[int]:
        """Return the indices in `tious` of an average; SettingsError if its ends are missing."""
        if not _AVERAGE.fullmatch(average):
            raise SettingsError(f"average {average!r} is not a range of thresholds such as 0.1:0.7")
        low, high = (float(end) for end in average.split(":"))
        inside = [i for i, tiou in enumerate(self.tious) if low - 1e-9 <= tiou <= high + 1e-9]
        ends = {round(self.tious[i], 6) for i in inside[:1] + inside[-1:]}
        if ends != {round(low, 6), round(high, 6)}:
            raise SettingsError(
                f"average {average} needs the thresholds {low} and {high}; tious are {self.tious}"
            )
        return inside

    def misfit(self, step: float | None, t0: float | None = None) -> str:
        """Return why whole snippets do not fit features of this `step` and `t0`; empty if they do.

        Both are in seconds; None means unknown, and is accepted. A protocol in seconds fits any
        features.
        """
        if self.units == "seconds":
            return ""
        if step is not None and abs(step * self.snippets_per_second - 1) > 1e-6:
            return (
                f"protocol {self.name} has {self.snippets_per_second} snippets per second, the "
                f"features a step of {step} s; choose a protocol in seconds, or one with "
                f"snippets_per_second {1 / step:g}"
            )
        if t0 is not None and abs(t0) > 1e-6:
            return (
                f"protocol {self.name} counts snippets from 0 s, the features begin at {t0} s; "
                "choose a protocol in seconds"
            )
        return ""

    def on_subset(self, subset: str) -> Protocol:
        """Return the same protocol on all videos of another subset."""
        return replace(self, subsets=(subset,), list=None, exclude=(), unpredicted=(), videos=None)


def protocol_from(mapping: Mapping[str, Any]) -> Protocol:
    """Build a protocol from its checked mapping, which has its `name`.

    Raises WstalError for a key that is unknown or missing.
    """
    try:
        return from_plain(Protocol, mapping)
    except WstalError as error:
        raise WstalError(f"protocol {mapping.get('name')}: {error}") from error


@dataclass(frozen=True)
class Prepared:
    """What is scored: frames in the protocol's units, and their coverage."""

    ground_truth: pd.DataFrame
    predictions: pd.DataFrame
    classes: list[str]
    videos: list[str]
    coverage: Coverage


def listed_videos(truth: GroundTruth, protocol: Protocol) -> list[str]:
    """Return the sorted ids of the protocol's videos; raise WstalError if its list is missing."""
    ids = set(truth.ids(protocol.subsets))
    if protocol.list is not None:
        if protocol.list not in truth.lists:
            raise WstalError(
                f"{truth.source}: protocol {protocol.name} needs the video list "
                f"{protocol.list!r}; there are {sorted(truth.lists) or 'none'}"
            )
        ids &= set(truth.lists[protocol.list])
    if protocol.min_seconds:
        known = {video: truth.duration.get(video) for video in ids}
        ids -= {v for v, seconds in known.items() if (seconds or np.inf) < protocol.min_seconds}
    return sorted(ids - set(protocol.exclude))


def find_lack(truth: GroundTruth, protocol: Protocol) -> str:
    """Return what a protocol needs and the ground truth does not have; empty if there is nothing.

    The videos whose subset is scored, a named list of videos, or the ambiguous segments.
    """
    try:
        listed_videos(truth, protocol)
        if protocol.ambiguous != "ignore":
            truth.ambiguous_segments(protocol.name)
    except WstalError as error:
        return str(error)
    return ""


def split_annotated(truth: GroundTruth, protocol: Protocol) -> tuple[list[str], str]:
    """Return the listed videos whose segments are known, and how many others there are, or ""."""
    listed = listed_videos(truth, protocol)
    known = [video for video in listed if video not in truth.unannotated]
    others = len(listed) - len(known)
    return known, f"{others} not annotated" if others else ""


def find_list_problems(truth: GroundTruth, protocol: Protocol) -> list[str]:
    """Return warnings on a list of another length than stated, and on unknown excluded ids."""
    problems, videos = [], listed_videos(truth, protocol)
    if protocol.videos is not None and len(videos) != protocol.videos:
        problems.append(
            f"{truth.source}: protocol {protocol.name} is for {protocol.videos} videos and finds "
            f"{len(videos)}"
        )
    absent = sorted(set(protocol.exclude) - set(truth.subset))
    forms = set(map(_form, truth.subset))  # ids of this form: the file leaves those out itself
    if absent and videos and len(videos) != protocol.videos and _form(absent[0]) not in forms:
        problems.append(
            f"{truth.source} has no video {', '.join(absent[:3])}, which protocol "
            f"{protocol.name} excludes ({len(absent)} of {len(protocol.exclude)} absent); it has "
            f"ids such as {videos[0]}: are its ids spelled differently?"
        )
    return problems


def _form(video: str) -> str:
    """Return an id with its digits alike: the form that the ids of a dataset share."""
    return re.sub(r"\d", "0", video)


def count_unscored(truth: GroundTruth, protocol: Protocol, predictions: pd.DataFrame) -> str:
    """Return a warning that counts detections of videos that are not scored; empty for none.

    The videos that the protocol excludes by name are not counted.
    """
    expected = {*listed_videos(truth, protocol), *protocol.exclude}
    outside = predictions[~predictions["video_id"].isin(expected)]
    if not len(outside):
        return ""
    return (
        f"{len(outside)} detections of {outside['video_id'].nunique()} videos that protocol "
        f"{protocol.name} does not score are left out"
    )


def prepare(
    truth: GroundTruth,
    predictions: pd.DataFrame,
    protocol: Protocol,
    usable: set[str] | None = None,
) -> Prepared:
    """Return ground truth and predictions as the protocol scores them.

    `predictions` are in seconds, of known videos and labels (`check_detections`). Videos whose
    segments nobody marked are left out. `usable` are the videos with features; None means all.
    Under `restricted` the others leave the ground truth, under `missing_is_miss` their instances
    count as missed.

    Raises WstalError if the protocol needs a list of ambiguous segments or videos that is missing.
    """
    videos, others = split_annotated(truth, protocol)
    instances = truth.segments(videos)
    instances = _without_duplicates(instances, protocol.duplicates)
    coverage = coverage_of(instances, videos, usable, protocol.videos, others)
    if usable is not None and protocol.coverage_rule == "restricted":
        videos = [video for video in videos if video in usable]
        instances = instances[instances["video_id"].isin(videos)]
    predicted = set(videos) - set(protocol.unpredicted)
    predictions = predictions[predictions["video_id"].isin(predicted)]
    instances = _in_units(instances, protocol, whole=True)
    predictions = _in_units(predictions, protocol, whole=False)
    if protocol.ambiguous != "ignore":
        ambiguous = _in_units(truth.ambiguous_segments(protocol.name), protocol, whole=True)
        hit = overlaps_any(predictions, ambiguous)
        if protocol.ambiguous == "filter":
            predictions = predictions[~hit]
        else:
            predictions = predictions.assign(neutral=hit)
    return Prepared(
        instances.reset_index(drop=True),
        predictions.reset_index(drop=True),
        truth.classes,
        videos,
        coverage,
    )


def _without_duplicates(instances: pd.DataFrame, duplicates: Mapping[str, str]) -> pd.DataFrame:
    """Instances without those that repeat, at the same times, one of the class they map to."""
    key = ["video_id", "t_start", "t_end"]
    drop = pd.Series(False, index=instances.index)
    for repeated, original in duplicates.items():
        originals = pd.MultiIndex.from_frame(instances.loc[instances["label"] == original, key])
        same = pd.MultiIndex.from_frame(instances[key]).isin(originals)
        drop |= (instances["label"] == repeated) & same
    return instances[~drop]


def _in_units(frame: pd.DataFrame, protocol: Protocol, *, whole: bool) -> pd.DataFrame:
    """Times in the protocol's units; ground truth in whole snippets (half to even).

    Predictions are rounded to the sixth decimal only, so that those made on the snippet grid are
    whole again after their conversion to seconds.
    """
    if protocol.units == "seconds":
        return frame
    times = frame[["t_start", "t_end"]].to_numpy(float) * protocol.snippets_per_second
    times = np.rint(times) if whole else times.round(6)
    return frame.assign(t_start=times[:, 0], t_end=times[:, 1])


def overlaps_any(predictions: pd.DataFrame, segments: pd.DataFrame) -> np.ndarray:
    """Return whether each prediction overlaps a segment of its video, of any class: bool `[N]`."""
    hit = np.zeros(len(predictions), dtype=bool)
    start, end = predictions["t_start"].to_numpy(float), predictions["t_end"].to_numpy(float)
    rows = predictions.groupby("video_id").indices
    for item in segments.itertuples(index=False):
        here = rows.get(item.video_id, np.empty(0, dtype=int))
        hit[here] |= np.minimum(end[here], item.t_end) > np.maximum(start[here], item.t_start)
    return hit
