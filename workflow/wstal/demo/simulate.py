"""Simulated two-stream features: a bench for weak supervision that needs no video.

First the videos: an annotation database drawn from a dataset's published statistics. Then, snippet
by snippet, what the two streams of a video show: concepts, such as phases of each class's action,
the surroundings of each class and of groups of classes, people moving, clutter, scenes. Actions
show in both streams, weaker at their borders and sometimes in one stream much weaker. Two things
mislead: surroundings that go with the class and are strongest just before and after the action, and
false evidence, where one stream looks like an action while the other shows none. Then the channels:
concepts become sparse, non-negative features, a little different for each video.

Training sees features and video-level labels; the segments stay in annotations.json, and no number
of the feature file tells where they are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, TypeVar

import h5py
import numpy as np
from annotated_types import Ge
from scipy.signal import lfilter
from scipy.special import ndtri

from wstal.base.array_store import OK, add_array, safe_name, seal
from wstal.base.errors import WstalError
from wstal.base.files import atomic_path, canonical_json
from wstal.datasets.annotations import Annotations
from wstal.features.pack import SCHEMA
from wstal.media.timeline import SNIPPET, frame_count, snippet_count, snippet_step

STREAMS = ("rgb", "flow")
FPS = 25  # of the recipes that these features replace
GRID = 256  # values are rounded to 1/GRID before they are summed
VERSION = "wstal-1 (simulated data)"
NOTE = "simulated data"

T = TypeVar("T")


@dataclass(frozen=True)
class VideoStatistics:
    """Section `videos`: statistics of the published videos; lengths in seconds.

    `classes` maps each class to {train: videos, test: videos, seconds: geometric mean length of
    an instance}. `twins` maps a class to one that all its instances have, too; `partners` lists
    classes that share videos, and `mixed` gives for each subset how many videos have such a pair
    and how many a pair of unrelated classes.
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

    `config` is the section `simulate` of the dataset YAML. With `test_seed` the same training
    videos come with other test videos, whose ids start with `sim_val`. Raises WstalError if its
    section `videos` is not a VideoStatistics.
    """
    statistics = read_settings(VideoStatistics, config, "videos")
    drawn = [("train", "train", config["seed"]), ("test", "test", config["seed"])]
    if "test_seed" in config:
        drawn[1] = ("test", "val", config["test_seed"])
    database: dict[str, dict[str, Any]] = {}
    for subset, name, seed in drawn:
        database |= _draw_subset(statistics, subset, name, generator(seed, "videos", subset))
    return Annotations(sorted(statistics.classes), database, version=VERSION)


def _draw_subset(
    stats: VideoStatistics, subset: str, name: str, rng: np.random.Generator
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
        subset_entries[f"sim_{name}_{number:04d}"] = {"subset": subset, **entry}
    return subset_entries


def _video_labels(
    stats: VideoStatistics, subset: str, rng: np.random.Generator
) -> list[tuple[str, ...]]:
    """Return the main class of each video, and a second one if the video has a pair."""
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
    """Draw the duration and segments of a video; every class in `names` has an instance."""
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
    """Draw normal deviates, one from each of `count` equally likely bins, shuffled."""
    return ndtri((rng.permutation(count) + rng.random(count)) / count)


def manifest_rows(annotations: Annotations) -> list[dict[str, Any]]:
    """Return manifest rows for videos without a file: id, split, duration, status, reason."""
    return [
        {
            "id": video,
            "split": entry["subset"],
            "duration": entry["duration"],
            "fps": FPS,
            "status": OK,
            "reason": NOTE,
        }
        for video, entry in annotations.database.items()
    ]


@dataclass(frozen=True)
class Evidence:
    """Section `evidence`: strengths relative to a plain action's; lengths in seconds."""

    phases: int  # concepts per action, shown one after the other
    groups: int  # groups of classes that share surroundings
    clutter_kinds: int
    scenes: int
    movers: int  # concepts of people moving, shared by actions and background
    strength_sd: float  # of log strength, per instance
    weak_stream: float  # probability that one stream shows an instance weakly
    weak_strength: float
    border_share: float  # of an instance at either end
    border_strength: float
    mover: float  # people moving, in actions and in false evidence
    context_base: float  # surroundings of the video's classes, all the time
    context_inside: float  # and in the action
    context_beside: float  # and just before and after it
    context_elsewhere: float  # share of shots that show the surroundings of any class
    context_seconds: float
    context_probability: float
    false_per_minute: float
    false_seconds: float
    false_own_class: float  # probability that its class is one of the video
    false_strength: float
    shot_seconds: float
    clutter_share: float  # of shots
    clutter_strength: float
    scene_strength: float
    noise: float  # standard deviation of every concept's noise
    noise_correlation: float  # of the noise, from snippet to snippet


@dataclass(frozen=True)
class Video:
    """The parts of an annotated video that the simulator uses; classes as indices."""

    id: str
    labels: Sequence[int]
    segments: Sequence[tuple[float, float, int]]  # start, end (seconds), class
    snippets: int


@dataclass(frozen=True)
class Columns:
    """The columns of a stream: which concept each one is."""

    classes: int
    evidence: Evidence

    def action(self, label: int, phase: int) -> int:
        """Return the column of a phase of a class's action."""
        return label * self.evidence.phases + phase

    @property
    def _after_actions(self) -> int:
        return self.classes * self.evidence.phases

    def context(self, label: int) -> tuple[int, int]:
        """Return the columns of a class's own surroundings and of those of its group."""
        own = self._after_actions + label
        return own, self._after_actions + self.classes + label % self.evidence.groups

    def of(self, kind: str) -> slice:
        """Return the columns of `movers`, `clutter_kinds` or `scenes`; KeyError for others."""
        start = self._after_actions + self.classes + self.evidence.groups
        for name in ("movers", "clutter_kinds", "scenes"):
            size = getattr(self.evidence, name)
            if name == kind:
                return slice(start, start + size)
            start += size
        raise KeyError(kind)

    @property
    def count(self) -> int:
        """Number of concepts of a stream."""
        return self.of("scenes").stop


def stream_concepts(
    video: Video, classes: int, evidence: Evidence, seed: int, step: float
) -> dict[str, np.ndarray]:
    """Return the strength of every concept by stream, float64 `[T, concepts]`, on the grid."""
    columns = Columns(classes, evidence)
    rng = generator(seed, video.id, "concepts")
    shown = {stream: np.zeros((video.snippets, columns.count)) for stream in STREAMS}
    _show_shots(shown, columns, rng, step)
    inside = _show_actions(shown, video, columns, rng, step)
    _show_context(shown, video, columns, rng, step, inside)
    _show_false_evidence(shown, video, columns, rng, step, inside)
    for values in shown.values():
        values += evidence.noise * correlated(values.shape, evidence.noise_correlation, rng)
    return {stream: on_grid(values) for stream, values in shown.items()}


def correlated(shape: tuple[int, int], correlation: float, rng: np.random.Generator) -> np.ndarray:
    """Draw unit-variance first-order autoregressive noise along axis 0."""
    white = rng.standard_normal(shape)
    white[1:] *= np.sqrt(1 - correlation**2)
    return lfilter([1.0], [1.0, -correlation], white, axis=0)


def covered(start: float, end: float, snippets: int, step: float) -> np.ndarray:
    """Return the share of each snippet that [start, end) covers, `[T]`."""
    edges = np.arange(snippets + 1) * step
    return (np.minimum(edges[1:], end) - np.maximum(edges[:-1], start)).clip(0) / step


def _show_shots(shown: dict, columns: Columns, rng: np.random.Generator, step: float) -> None:
    """Add shots: they alternate between few scenes; some show clutter or a class's surroundings."""
    evidence, snippets = columns.evidence, len(shown["rgb"])
    scenes = columns.of("scenes").start + rng.permutation(evidence.scenes)[:3]
    start = 0
    while start < snippets:
        length = max(1, round(-np.log(1 - rng.random()) * evidence.shot_seconds / step))
        shot = slice(start, start + length)
        scene = scenes[int(rng.random() * len(scenes))]
        clutter = columns.of("clutter_kinds").start + int(rng.random() * evidence.clutter_kinds)
        present = rng.random() < evidence.clutter_share
        elsewhere = (rng.random() < evidence.context_elsewhere) * evidence.context_beside
        surroundings = columns.context(int(rng.random() * columns.classes))
        for values in shown.values():
            values[shot, scene] += evidence.scene_strength * (0.5 + rng.random())
            values[shot, clutter] += present * evidence.clutter_strength * (0.5 + rng.random())
            for column in surroundings:
                values[shot, column] += elsewhere
        start += length


def _show_actions(
    shown: dict, video: Video, columns: Columns, rng: np.random.Generator, step: float
) -> np.ndarray:
    """Add every instance to both streams; return the share of action in each snippet, `[T]`."""
    evidence, inside = columns.evidence, np.zeros(video.snippets)
    clutter = columns.of("clutter_kinds")
    middles = (np.arange(video.snippets) + 0.5) * step
    for start, end, label in video.segments:
        share = covered(start, end, video.snippets, step)
        position = ((middles - start) / (end - start)).clip(0, 1)
        to_border = np.minimum(position, 1 - position) / evidence.border_share
        rise = evidence.border_strength + (1 - evidence.border_strength) * to_border.clip(0, 1)
        common = np.exp(evidence.strength_sd * rng.standard_normal())
        weak = STREAMS[int(rng.random() * 2)] if rng.random() < evidence.weak_stream else None
        phase = (position * evidence.phases).astype(int).clip(0, evidence.phases - 1)
        mover = columns.of("movers").start + label % evidence.movers
        for stream, values in shown.items():
            strength = common * np.exp(evidence.strength_sd * rng.standard_normal())
            strength *= evidence.weak_strength if stream == weak else 1
            values[:, clutter] *= 1 - 0.7 * share[:, None]  # the camera is on the action
            values[:, mover] += evidence.mover * strength * share
            for p in range(evidence.phases):
                values[:, columns.action(label, p)] += strength * share * rise * (phase == p)
        inside = np.maximum(inside, share)
    return inside


def _show_context(
    shown: dict,
    video: Video,
    columns: Columns,
    rng: np.random.Generator,
    step: float,
    inside: np.ndarray,
) -> None:
    """Add the surroundings of the video's classes: weak everywhere, strong beside actions."""
    evidence = columns.evidence
    level = {label: np.full(video.snippets, evidence.context_base) for label in video.labels}
    for start, end, label in video.segments:
        if label not in level:
            continue
        for before in (True, False):
            reach = -np.log(1 - rng.random()) * evidence.context_seconds
            span = (start - reach, start) if before else (end, end + reach)
            if rng.random() < evidence.context_probability:
                beside = evidence.context_beside * covered(*span, video.snippets, step)
                level[label] = np.maximum(level[label], beside)
    for label, values in level.items():
        values = np.where(inside > 0.5, np.minimum(values, evidence.context_inside), values)
        for stream in STREAMS:
            wave = 1 + 0.3 * correlated((video.snippets, 1), 0.9, rng)[:, 0]
            for column in columns.context(label):
                shown[stream][:, column] += (values * wave).clip(0)


def _show_false_evidence(
    shown: dict,
    video: Video,
    columns: Columns,
    rng: np.random.Generator,
    step: float,
    inside: np.ndarray,
) -> None:
    """Add bursts in the background where only one stream looks like an action."""
    evidence = columns.evidence
    expected = evidence.false_per_minute * video.snippets * step / 60
    for _ in range(round(expected * 2 * rng.random())):
        start = rng.random() * video.snippets * step
        length = -np.log(1 - rng.random()) * evidence.false_seconds + step
        own = rng.random() < evidence.false_own_class and len(video.labels)
        pool = video.labels if own else range(columns.classes)
        label = pool[int(rng.random() * len(pool))]
        stream = STREAMS[int(rng.random() * 2)]
        share = covered(start, start + length, video.snippets, step) * (inside == 0)
        strength = evidence.false_strength * np.exp(evidence.strength_sd * rng.standard_normal())
        phase = int(rng.random() * evidence.phases)
        values = shown[stream]
        values[:, columns.action(label, phase)] += strength * share
        values[:, columns.of("movers").start + label % evidence.movers] += (
            evidence.mover * strength * share
        )


@dataclass(frozen=True)
class Channels:
    """Section `channels`: how concepts become features."""

    density: float  # share of channels that a concept excites
    threshold: float  # subtracted before the rectifier; makes features sparse
    noise: float  # of each channel, independent of the others
    noise_correlation: float
    shift: float  # mean of a video's own offset of each channel
    gain_sd: float  # of the log gain: of each channel, per video
    loudness_sd: float  # of the log gain: of all channels together, per video


class StreamChannels:
    """The channels of one stream; all videos share the excitation of channels by concepts."""

    def __init__(self, stream: str, concepts: int, dim: int, channels: Channels, seed: int) -> None:
        self.stream, self.channels, self.seed, self.dim = stream, channels, seed, dim
        rng = generator(seed, "channels", stream, str(dim))
        strength = -np.log(1 - rng.random((concepts, dim)))  # exponential, mean 1
        self.excitation = on_grid(strength * (rng.random((concepts, dim)) < channels.density))

    def features(self, video: str, concepts: np.ndarray) -> np.ndarray:
        """Return features >= 0, float64 `[T, D]`, from a video's concepts `[T, concepts]`."""
        settings, shape = self.channels, (len(concepts), self.dim)
        rng = generator(self.seed, video, "channels", self.stream, str(self.dim))
        loudness = np.exp(settings.loudness_sd * rng.standard_normal())
        gain = loudness * np.exp(settings.gain_sd * rng.standard_normal(self.dim))
        shift = -settings.shift * np.log(1 - rng.random(self.dim))
        noise = settings.noise * correlated(shape, settings.noise_correlation, rng)
        excited = concepts @ self.excitation + shift + noise - settings.threshold
        return (gain * excited).clip(0)


@dataclass(frozen=True)
class SimulateSettings:
    """Section `simulate` of a dataset's YAML."""

    seed: Annotated[int, Ge(0)]
    evidence: Evidence
    channels: Channels
    videos: VideoStatistics | None = None  # null: the dataset's `labels:` has the videos
    test_seed: Annotated[int, Ge(0)] | None = None  # of other test videos; null: the same seed


@dataclass(frozen=True)
class SimulatedSettings:
    """Section `simulated` of a feature recipe: features are drawn, other sections are unused."""

    dims: Mapping[str, Annotated[int, Ge(1)]]  # channels of each stream


def simulate_features(
    path: str | Path,
    annotations: Annotations,
    config: Mapping[str, Any],
    recipe: Mapping[str, Any],
    *,
    dataset: str,
    recipe_name: str,
    track: Callable[[Iterable], Iterable] = iter,
) -> list[dict[str, Any]]:
    """Write features.h5 for all videos and return the coverage rows.

    `config` has seed, evidence and channels (`simulate` of the dataset YAML), `recipe` gives
    `simulated.dims` (`{rgb: D, flow: D}`) and dtype. The same arguments give the same arrays
    on any machine. Raises WstalError for wrong settings, and for a video without a duration.
    """
    coverage = []
    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs.update(_root_attrs(dataset, recipe_name, recipe, config))
        for video, streams in simulated_videos(annotations, config, recipe, track):
            entry = annotations.database[video]
            group = file.create_group(safe_name(video))
            group.attrs.update(
                id=video, split=entry["subset"], duration=float(entry["duration"]), status=OK
            )
            for name, features in streams.items():
                stored = add_array(group, name, features)
                stored.attrs["sha256"] = hashlib.sha256(features.tobytes()).hexdigest()
            rows = len(next(iter(streams.values())))
            coverage.append(
                {"id": video, "split": entry["subset"], "status": OK, "rows": rows, "reason": ""}
            )
        seal(file)
    return coverage


def simulated_videos(
    annotations: Annotations,
    config: Mapping[str, Any],
    recipe: Mapping[str, Any],
    track: Callable[[Iterable], Iterable] = iter,
) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Yield (id, {stream: features `[T, D]`, in the recipe's dtype}); T as in the time grid."""
    evidence = read_settings(Evidence, config, "evidence")
    settings, seed = read_settings(Channels, config, "channels"), config["seed"]
    dims = (recipe["simulated"] or {}).get("dims", {})
    if set(dims) != set(STREAMS):
        raise WstalError(f"simulated.dims of the recipe has {list(dims)}; expected rgb and flow")
    classes = len(annotations.classes)
    concepts = Columns(classes, evidence).count
    channels = {s: StreamChannels(s, concepts, dims[s], settings, seed) for s in STREAMS}
    for video in track(list(_videos(annotations))):
        shown = stream_concepts(video, classes, evidence, seed, snippet_step(FPS))
        yield (
            video.id,
            {s: channels[s].features(video.id, shown[s]).astype(recipe["dtype"]) for s in STREAMS},
        )


def _videos(annotations: Annotations) -> Iterator[Video]:
    index = {name: i for i, name in enumerate(annotations.classes)}
    for video, entry in annotations.database.items():
        if not entry["duration"]:
            raise WstalError(
                f"video {video} has no duration in the annotation database; simulated features "
                "need one to know how many snippets to make"
            )
        yield Video(
            video,
            [index[name] for name in entry["labels"]],
            [
                (*item["segment"], index[item["label"]])
                for item in entry["annotations"]
                if item["segment"][0] < item["segment"][1]
            ],
            snippet_count(frame_count(entry["duration"], FPS)),
        )


def _root_attrs(
    dataset: str, recipe_name: str, recipe: Mapping[str, Any], config: Mapping[str, Any]
) -> dict[str, Any]:
    made = {"dims": recipe["simulated"]["dims"], "dtype": recipe["dtype"], "simulate": config}
    return {
        "schema": SCHEMA,
        "dataset": dataset,
        "recipe": recipe_name,
        "note": NOTE,
        "fps": FPS,
        "snippet": SNIPPET,
        "stride": SNIPPET,
        "t0": 0.0,
        "step": snippet_step(FPS),
        "recipe_digest": hashlib.sha256(canonical_json(made).encode()).hexdigest(),
        "weights": "simulated",
        "provenance_json": json.dumps({"simulator": made}, sort_keys=True),
    }


def read_settings(kind: type[T], config: Mapping[str, Any], section: str) -> T:
    """Return `kind(**config[section])`.

    Raises WstalError with the section for an unknown, missing or negative setting.
    """
    where = f"simulate.{section} of the dataset YAML"
    given = config.get(section, {})
    known = {f.name for f in fields(kind)}
    if set(given) != known:
        unknown, absent = sorted(set(given) - known), sorted(known - set(given))
        raise WstalError(f"{where}: unknown {unknown}, missing {absent}")
    if bad := [name for name, x in given.items() if isinstance(x, int | float) and x < 0]:
        raise WstalError(f"{where}: {bad} must not be negative")
    return kind(**given)


def generator(seed: int, *purpose: str) -> np.random.Generator:
    """Return the random generator of a purpose, such as ("video_7", "noise").

    Numbers depend on their purpose, not on the order of drawing.
    """
    digest = hashlib.sha256("\0".join(purpose).encode()).digest()
    return np.random.Generator(
        np.random.PCG64(np.random.SeedSequence([seed, int.from_bytes(digest[:8], "big")]))
    )


def on_grid(x: np.ndarray) -> np.ndarray:
    """Round to multiples of 1/GRID.

    Products and sums of such numbers are exact in float64, in any order in which a machine's
    linear algebra computes them, and a last-digit difference of its `exp` is rounded away.
    """
    return np.round(x * GRID) / GRID
