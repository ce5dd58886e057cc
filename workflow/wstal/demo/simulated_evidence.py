"""What the two streams of a simulated video show, snippet by snippet, before any channel does.

A stream sees concepts: phases of each class's action, the surroundings of each class and of
groups of classes, people moving, clutter, scenes. Actions show in both streams, weaker at their
borders and sometimes in one stream much weaker. What misleads: surroundings that go with the
class and are strongest just before and after the action, and false evidence, where one stream
looks like an action while the other shows none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

# FOLDED What a simulated stream can show: concepts, how strong they are and which column holds each.

STREAMS = ("rgb", "flow")


@dataclass(frozen=True)
class Evidence:
    """Strengths are those of a plain action's 1; lengths in seconds."""

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
    false_own_class: float  # probability that it is of a class of the video
    false_strength: float
    shot_seconds: float
    clutter_share: float  # of shots
    clutter_strength: float
    scene_strength: float
    noise: float  # standard deviation of every concept's noise
    noise_correlation: float  # of the noise, from snippet to snippet


@dataclass(frozen=True)
class Video:
    """What the simulator needs of an annotated video; classes as indices."""

    id: str
    labels: Sequence[int]
    segments: Sequence[tuple[float, float, int]]  # start, end (seconds), class
    snippets: int


@dataclass(frozen=True)
class Columns:
    """Where each kind of concept stands among the columns of a stream."""

    classes: int
    evidence: Evidence

    def action(self, label: int, phase: int) -> int:
        """Column of a phase of a class's action."""
        return label * self.evidence.phases + phase

    @property
    def _after_actions(self) -> int:
        return self.classes * self.evidence.phases

    def context(self, label: int) -> tuple[int, int]:
        """Columns of a class's own surroundings and of those it shares with its group."""
        own = self._after_actions + label
        return own, self._after_actions + self.classes + label % self.evidence.groups

    def of(self, kind: str) -> slice:
        """Columns of the movers, the clutter or the scenes."""
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


# FOLDED Random numbers that depend on what they are for, not on the order of drawing.

GRID = 256  # values are rounded to 1/GRID before they are summed


def generator(seed: int, *purpose: str) -> np.random.Generator:
    """The generator of one purpose, such as ("video_7", "noise"): independent of all others."""
    digest = hashlib.sha256("\0".join(purpose).encode()).digest()
    return np.random.Generator(
        np.random.PCG64(np.random.SeedSequence([seed, int.from_bytes(digest[:8], "big")]))
    )


def on_grid(x: np.ndarray) -> np.ndarray:
    """Round to multiples of 1/GRID.

    Products and sums of such numbers are exact in float64, in whatever order a machine's
    linear algebra takes them, and a last-digit difference of its `exp` is rounded away.
    """
    return np.round(x * GRID) / GRID


def stream_concepts(
    video: Video, classes: int, evidence: Evidence, seed: int, step: float
) -> dict[str, np.ndarray]:
    """Strength of every concept in each stream: `{stream: float64 [T, concepts]}`, on the grid."""
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
    """Unit-variance first-order autoregressive noise along axis 0."""
    white = rng.standard_normal(shape)
    white[1:] *= np.sqrt(1 - correlation**2)
    return lfilter([1.0], [1.0, -correlation], white, axis=0)


def covered(start: float, end: float, snippets: int, step: float) -> np.ndarray:
    """Share of each snippet that [start, end) covers: `[T]`."""
    edges = np.arange(snippets + 1) * step
    return (np.minimum(edges[1:], end) - np.maximum(edges[:-1], start)).clip(0) / step


def _show_shots(shown: dict, columns: Columns, rng: np.random.Generator, step: float) -> None:
    """Shots change between a video's few scenes; some hold clutter or any class's surroundings."""
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
    """Add every instance to both streams; returns the share of each snippet in action `[T]`."""
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
    """Surroundings of the video's classes: everywhere a little, beside actions a lot."""
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
    """Bursts in the background where one stream alone looks like an action."""
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


# FOLDED How concepts become feature channels: sparse, non-negative, a little different per video.


@dataclass(frozen=True)
class Channels:
    """Settings of the channels."""

    density: float  # share of channels that a concept excites
    threshold: float  # subtracted before the rectifier, makes features sparse
    noise: float  # of each channel by itself
    noise_correlation: float
    shift: float  # mean of a video's own offset of each channel
    gain_sd: float  # of the log gain: of each channel, per video
    loudness_sd: float  # of the log gain: of all channels together, per video


class StreamChannels:
    """The channels of one stream; every video's features come from the same excitation."""

    def __init__(self, stream: str, concepts: int, dim: int, channels: Channels, seed: int) -> None:
        self.stream, self.channels, self.seed, self.dim = stream, channels, seed, dim
        rng = generator(seed, "channels", stream, str(dim))
        strength = -np.log(1 - rng.random((concepts, dim)))  # exponential, mean 1
        self.excitation = on_grid(strength * (rng.random((concepts, dim)) < channels.density))

    def features(self, video: str, concepts: np.ndarray) -> np.ndarray:
        """Features float64 `[T, D]` >= 0 of a video's concepts `[T, concepts]`."""
        settings, shape = self.channels, (len(concepts), self.dim)
        rng = generator(self.seed, video, "channels", self.stream, str(self.dim))
        loudness = np.exp(settings.loudness_sd * rng.standard_normal())
        gain = loudness * np.exp(settings.gain_sd * rng.standard_normal(self.dim))
        shift = -settings.shift * np.log(1 - rng.random(self.dim))
        noise = settings.noise * correlated(shape, settings.noise_correlation, rng)
        excited = concepts @ self.excitation + shift + noise - settings.threshold
        return (gain * excited).clip(0)
