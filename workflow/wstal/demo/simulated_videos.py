"""An annotation database drawn from a dataset's published statistics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtri

from wstal.datasets.annotations import Annotations
from wstal.demo.simulate import read_settings
from wstal.demo.simulated_evidence import generator

VERSION = "wstal-1 (simulated data)"


@dataclass(frozen=True)
class VideoStatistics:
    """What the drawn videos have in common with the published ones; lengths in seconds.

    `classes` maps each class to {train: videos, test: videos, seconds: geometric mean length of
    an instance}. `twins` maps a class to the one that all its instances carry too; `partners`
    lists classes that share videos, and `mixed` gives per subset how many videos hold such a
    pair and how many a pair of unrelated classes.
    """

    classes: Mapping[str, Mapping[str, float]]
    twins: Mapping[str, str]
    partners: tuple[str, str]
    mixed: Mapping[str, tuple[int, int]]
    duration: float  # geometric mean of a video
    duration_sd: float  # of its logarithm
    duration_range: tuple[float, float]
    instances: float  # geometric mean per video
    instances_sd: float  # of the logarithm, at a given duration
    instances_slope: float  # of log instances over log duration
    length_sd_video: float  # of log length: between videos of a class
    length_sd_instance: float  # and between instances of a video
    length_range: tuple[float, float]
    gap_sd: float  # of the logarithm of the pauses' shares
    fullest: float  # largest share of a video that actions may take


def draw_annotations(config: Mapping[str, Any]) -> Annotations:
    """Draw a database of train and test videos with their segments.

    `config["videos"]` holds a VideoStatistics; raises WstalError if it does not.
    """
    statistics = read_settings(VideoStatistics, config, "videos")
    seed = config["seed"]
    database: dict[str, dict[str, Any]] = {}
    for subset in ("train", "test"):
        database |= _draw_subset(statistics, subset, generator(seed, "videos", subset))
    return Annotations(sorted(statistics.classes), database, version=VERSION)


def _draw_subset(
    stats: VideoStatistics, subset: str, rng: np.random.Generator
) -> dict[str, dict[str, Any]]:
    labels = _video_labels(stats, subset, rng)
    count = len(labels)
    lengths = stats.duration * np.exp(stats.duration_sd * _stratified(count, rng))
    lengths = lengths.clip(*stats.duration_range)
    wanted = stats.instances * np.exp(
        stats.instances_slope * np.log(lengths / stats.duration)
        + stats.instances_sd * _stratified(count, rng)
    )
    subset_entries = {}
    for number, (names, duration, instances) in enumerate(
        zip(labels, lengths, wanted, strict=True)
    ):
        entry = _draw_video(stats, names, float(duration), max(1, round(float(instances))), rng)
        subset_entries[f"sim_{subset}_{number:04d}"] = {"subset": subset, **entry}
    return subset_entries


def _video_labels(
    stats: VideoStatistics, subset: str, rng: np.random.Generator
) -> list[tuple[str, ...]]:
    """Main class of each video, and a second one where the video holds a pair."""
    labels = [(name,) for name, row in stats.classes.items() for _ in range(int(row[subset]))]
    related, unrelated = stats.mixed[subset]
    paired = [i for i, (name,) in enumerate(labels) if name in stats.partners]
    for i in rng.permutation(paired)[:related]:
        other = stats.partners[1 - stats.partners.index(labels[i][0])]
        labels[i] = (*labels[i], other)
    kin = {*stats.partners, *stats.twins, *stats.twins.values()}
    free = [i for i, names in enumerate(labels) if names[0] not in kin]
    names = sorted(set(stats.classes) - kin)
    for i in rng.permutation(free)[:unrelated]:
        others = [name for name in names if name != labels[i][0]]
        labels[i] = (*labels[i], others[int(rng.random() * len(others))])
    return [labels[i] for i in rng.permutation(len(labels))]


def _draw_video(
    stats: VideoStatistics,
    names: tuple[str, ...],
    duration: float,
    instances: int,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Duration and segments of a video; every class in `names` has an instance."""
    instances = max(instances, len(names))
    order = [*names, *(names[int(rng.random() * len(names))] for _ in range(instances))]
    labels = [order[i] for i in rng.permutation(instances)]
    scale = np.exp(stats.length_sd_video * rng.standard_normal())
    spread = np.exp(stats.length_sd_instance * rng.standard_normal(instances))
    typical = np.array([stats.classes[name]["seconds"] for name in labels])
    lengths = (typical * scale * spread).clip(*stats.length_range)
    lengths *= min(1.0, stats.fullest * duration / lengths.sum())
    pauses = np.exp(stats.gap_sd * rng.standard_normal(instances + 1))
    pauses *= (duration - lengths.sum()) / pauses.sum()
    starts = np.cumsum(pauses[:-1]) + np.cumsum(lengths) - lengths
    whole = int(duration * 10) / 10  # times are annotated to a tenth of a second
    annotations = []
    for label, start, length in zip(labels, starts, lengths, strict=True):
        end = min(max(round(float(start + length), 1), 0.1), whole)
        segment = [min(round(float(start), 1), round(end - 0.1, 1)), end]
        both = [label, stats.twins[label]] if label in stats.twins else [label]
        annotations += [{"segment": list(segment), "label": name} for name in both]
    present = sorted({item["label"] for item in annotations})
    return {"duration": round(duration, 2), "labels": present, "annotations": annotations}


def _stratified(count: int, rng: np.random.Generator) -> np.ndarray:
    """Normal deviates, one from each of `count` equally likely bins, shuffled."""
    return ndtri((rng.permutation(count) + rng.random(count)) / count)
