"""Protocols: every convention that moves an mAP, named, in one small mapping each.

A protocol says which videos count, in which units, what becomes of ambiguous segments, of
doubly annotated ones and of videos without features, and which thresholds are averaged.
`prepare` turns ground truth and predictions in seconds into what `match` scores.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from wstal.base.errors import WstalError
from wstal.config.check import validated
from wstal.config.layers import read_yaml
from wstal.evaluate.ground_truth import Coverage, GroundTruth, coverage_of


@dataclass(frozen=True)
class Protocol:
    """One protocol (workflow/schemas/protocol.schema.json explains each key).

    `videos` is how many the list should name; `units` seconds or snippets, of which there are
    `snippets_per_second`; `averages` are ranges such as "0.1:0.7" over `tious`; `select` is
    the average by which a checkpoint is chosen; `duplicates` maps a class to the one whose
    instances it repeats; `seconds` is how many of each video `task: events` scores.
    """

    name: str
    tious: tuple[float, ...]
    averages: tuple[str, ...]
    select: str
    title: str = ""
    kinds: tuple[str, ...] = ()
    task: str = "detection"
    subsets: tuple[str, ...] = ("test",)
    list: str | None = None
    exclude: tuple[str, ...] = ()
    videos: int | None = None
    units: str = "seconds"
    snippets_per_second: float = 25 / 16
    ambiguous: str = "ignore"
    duplicates: Mapping[str, str] | None = None
    coverage_rule: str = "restricted"
    seconds: int = 10

    def average_indices(self, average: str) -> list[int]:
        """Positions in `tious` that an average takes in; WstalError if its ends are not there."""
        low, high = (float(end) for end in average.split(":"))
        inside = [i for i, tiou in enumerate(self.tious) if low - 1e-9 <= tiou <= high + 1e-9]
        ends = {round(self.tious[i], 6) for i in inside[:1] + inside[-1:]}
        if ends != {round(low, 6), round(high, 6)}:
            raise WstalError(
                f"protocol {self.name}: average {average} needs the thresholds {low} and {high}; "
                f"tious are {self.tious}"
            )
        return inside

    def misfit(self, step: float | None, t0: float | None = None) -> str:
        """Why whole snippets do not suit features of this `step` and `t0`; empty if they do.

        Seconds; None stands for not known, and is trusted. Seconds suit any features.
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
        """The same protocol on all videos of another subset."""
        return replace(self, subsets=(subset,), list=None, exclude=(), videos=None)


def protocol_from(mapping: Mapping[str, Any]) -> Protocol:
    """A protocol from its validated mapping and `name`; raises WstalError for what is wrong."""
    known = {field.name for field in fields(Protocol)}
    if unknown := set(mapping) - known:
        raise WstalError(f"protocol {mapping.get('name')}: unknown keys {sorted(unknown)}")
    if absent := {"name", "tious", "averages", "select"} - set(mapping):
        raise WstalError(f"protocol {mapping.get('name')}: keys {sorted(absent)} are missing")
    value = {k: tuple(v) if isinstance(v, list) else v for k, v in mapping.items()}
    protocol = Protocol(**value)
    for average in {*protocol.averages, *([protocol.select] if protocol.select else [])}:
        protocol.average_indices(average)
    return protocol


@dataclass(frozen=True)
class Prepared:
    """What is scored: frames in the protocol's units, and how much of the expected it is."""

    ground_truth: pd.DataFrame
    predictions: pd.DataFrame
    classes: list[str]
    videos: list[str]
    coverage: Coverage


def listed_videos(truth: GroundTruth, protocol: Protocol) -> list[str]:
    """Ids of the protocol's videos, sorted; raises WstalError if its list is not there."""
    ids = set(truth.ids(protocol.subsets))
    if protocol.list is not None:
        if protocol.list not in truth.lists:
            raise WstalError(
                f"{truth.source}: protocol {protocol.name} needs the video list "
                f"{protocol.list!r}; there are {sorted(truth.lists) or 'none'}"
            )
        ids &= set(truth.lists[protocol.list])
    return sorted(ids - set(protocol.exclude))


def notices(truth: GroundTruth, protocol: Protocol) -> list[str]:
    """Lines on a list that is not as long as the protocol says, or lacks what it excludes."""
    said, videos = [], listed_videos(truth, protocol)
    if protocol.videos is not None and len(videos) != protocol.videos:
        said.append(
            f"{truth.source}: protocol {protocol.name} is for {protocol.videos} videos and finds "
            f"{len(videos)}"
        )
    if absent := sorted(set(protocol.exclude) - set(truth.subset)):
        said.append(
            f"{truth.source} has no video {', '.join(absent[:3])}, which protocol "
            f"{protocol.name} excludes ({len(absent)} of {len(protocol.exclude)} absent): "
            "are its ids spelled otherwise?"
        )
    return said


def unscored(truth: GroundTruth, protocol: Protocol, predictions: pd.DataFrame) -> str:
    """How many detections are of videos that the protocol does not score; empty for none."""
    outside = predictions[~predictions["video_id"].isin(listed_videos(truth, protocol))]
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
    """Ground truth and predictions as the protocol scores them.

    `predictions` are in seconds, of known videos and labels (`check_detections`). `usable`
    are the videos with features; None means all. Under `restricted` the others are taken out
    of the ground truth, under `missing_is_miss` their instances count as missed.

    Raises WstalError if the protocol asks for an ambiguous or video list that is absent.
    """
    videos = listed_videos(truth, protocol)
    instances = truth.segments(videos)
    instances = _without_duplicates(instances, protocol.duplicates or {})
    coverage = coverage_of(instances, videos, usable, protocol.videos)
    if usable is not None and protocol.coverage_rule == "restricted":
        videos = [video for video in videos if video in usable]
        instances = instances[instances["video_id"].isin(videos)]
    predictions = predictions[predictions["video_id"].isin(videos)]
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
    """Instances of a class that repeat, second for second, one of the class it is mapped to."""
    key = ["video_id", "t_start", "t_end"]
    drop = pd.Series(False, index=instances.index)
    for repeated, original in duplicates.items():
        originals = pd.MultiIndex.from_frame(instances.loc[instances["label"] == original, key])
        same = pd.MultiIndex.from_frame(instances[key]).isin(originals)
        drop |= (instances["label"] == repeated) & same
    return instances[~drop]


def _in_units(frame: pd.DataFrame, protocol: Protocol, *, whole: bool) -> pd.DataFrame:
    """Times in the protocol's units; ground truth in whole snippets (half to even).

    Predictions keep their resolution but for the sixth decimal, so that those made on the
    snippet grid are whole again after their trip through seconds.
    """
    if protocol.units == "seconds":
        return frame
    times = frame[["t_start", "t_end"]].to_numpy(float) * protocol.snippets_per_second
    times = np.rint(times) if whole else times.round(6)
    return frame.assign(t_start=times[:, 0], t_end=times[:, 1])


def overlaps_any(predictions: pd.DataFrame, segments: pd.DataFrame) -> np.ndarray:
    """Whether each prediction shares any time with a segment of its video, of whatever class."""
    hit = np.zeros(len(predictions), dtype=bool)
    start, end = predictions["t_start"].to_numpy(float), predictions["t_end"].to_numpy(float)
    rows = predictions.groupby("video_id").indices
    for item in segments.itertuples(index=False):
        here = rows.get(item.video_id, np.empty(0, dtype=int))
        hit[here] |= np.minimum(end[here], item.t_end) > np.maximum(start[here], item.t_start)
    return hit


# FOLDED Protocols by name, from a YAML file, or as the JSON that the workflow hands to its jobs.

WORKFLOW = Path(__file__).resolve().parents[2]


def read_protocol(source: str, workflow: Path = WORKFLOW) -> Protocol:
    """The protocol that `source` means.

    JSON text with its `name` in it, the path of a YAML file (named by the file), or the name
    of a file in `workflow`/config/protocols. Raises WstalError naming the file, the key and
    the nearest valid one, or the nearest known name.
    """
    if source.lstrip().startswith("{"):
        try:
            content = json.loads(source)
        except ValueError as error:
            raise WstalError(f"the protocol is not JSON: {error}") from error
        return _protocol(str(content.pop("name", "given as JSON")), content, "protocol", workflow)
    folder = workflow / "config" / "protocols"
    path = Path(source) if source.endswith((".yaml", ".yml")) else folder / f"{source}.yaml"
    if not path.is_file():
        names = protocol_names(workflow)
        near = get_close_matches(Path(source).stem, names, 3) or names
        raise WstalError(f"there is no protocol {source!r}; nearest: {', '.join(near)}")
    return _protocol(path.stem, read_yaml(path), str(path), workflow)


def protocol_names(workflow: Path = WORKFLOW) -> list[str]:
    """Names of the protocols that come with the project."""
    return sorted(path.stem for path in (workflow / "config" / "protocols").glob("*.yaml"))


def _protocol(name: str, content: Mapping[str, Any], source: str, workflow: Path) -> Protocol:
    schema = json.loads((workflow / "schemas" / "protocol.schema.json").read_text())
    return protocol_from({"name": name, **validated(content, schema, source)})


# FOLDED Protocols that count snippets must fit the features' snippets.

Grid = tuple[float | None, float | None]  # step and start of the features in seconds, if known


def fitting_protocol(source: str, grid: Grid) -> Protocol:
    """The protocol of a name, file or JSON; raises WstalError if the features do not suit it."""
    protocol = read_protocol(source)
    if reason := protocol.misfit(*grid):
        raise WstalError(reason)
    return protocol


def fitting_paper(source: str | None, grid: Grid, tell: Callable[[str], object]) -> Protocol | None:
    """The protocol of the paper reading; None, which `tell` is told, if the features do not suit.

    A paper that scored whole snippets of its own features cannot be followed on others.
    """
    paper = read_protocol(source) if source else None
    if paper and (reason := paper.misfit(*grid)):
        tell(f"the paper reading is scored by the dataset's own protocol: {reason}")
        return None
    return paper
