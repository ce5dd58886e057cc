"""The training videos of one run, and which of their snippets a batch contains.

The samplers draw videos and snippets; a `TrainingSet` holds all features in memory and gives the
batches.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal, NamedTuple

import numpy as np
import torch
from annotated_types import Ge
from torch import Tensor

from wstal.base.errors import WstalError
from wstal.base.settings import Count, Positive, SettingsError
from wstal.datasets.annotations import Annotations, data_digest
from wstal.features.pack import FeatureFile
from wstal.localize.scores import Scores, VideoScores, softmax
from wstal.methods.contract import Batch


@dataclass(frozen=True)
class DataSettings:
    """The `data` section: batches."""

    # Snippets drawn from each video; null: whole videos, padded to the longest of the batch.
    length: Annotated[int, Ge(2)] | None
    batch: Count  # videos in a batch
    # Seconds of a video in place of `length`: as many snippets as fit the step of the features, and
    # as the method takes; null: `length` counts.
    length_seconds: Positive | None = None
    # true: no more than the median training video has (but at least 8)
    fit_length: bool = False
    pairs: Annotated[int, Ge(0)] = 0  # pairs of videos of one class among them
    # random: videos are drawn with replacement | epochs: every video once, in random order
    order: Literal["random", "epochs"] = "epochs"
    min_snippets: Count = 1  # training videos with fewer are left out
    # true: a pair may still have them. CO2-Net's code for ActivityNet lists the videos of each
    # class, from which pairs are drawn, before it leaves short videos out.
    short_in_pairs: bool = False
    # none: features unchanged | train: the training set's mean and spread removed, per channel
    standardize: Literal["none", "train"] = "none"

    def __post_init__(self) -> None:
        if self.order == "epochs" and self.pairs:
            raise SettingsError(
                f"order: epochs takes every video once and cannot draw pairs, but pairs is "
                f"{self.pairs}; set pairs to 0 or order to random"
            )


def build_sampler(
    labels: np.ndarray,
    settings: DataSettings,
    nonzero: np.ndarray,
    single: np.ndarray | None = None,
) -> PairSampler | EpochSampler:
    """Return the sampler of a run's videos.

    labels `[V, C]`; `nonzero` `[V]` marks the videos whose features are not all zero, `single`
    `[V]` those that are also drawn outside of pairs (None: all).
    """
    if settings.order == "epochs":
        return EpochSampler(len(labels), settings.batch)
    return PairSampler(labels, settings.batch, settings.pairs, nonzero, single)


class EpochSampler:
    """Draws every video once per epoch, in random order; an epoch's last batch may be smaller."""

    pairs = 0

    def __init__(self, videos: int, batch: int) -> None:
        self.videos, self.batch = videos, batch
        self.order: list[int] = []  # the rest of the epoch

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """Video indices int64 `[batch]`, or fewer at the end of an epoch."""
        if not self.order:
            self.order = rng.permutation(self.videos).tolist()
        chosen, self.order = self.order[: self.batch], self.order[self.batch :]
        return np.array(chosen, dtype=np.int64)

    def state(self) -> list[int]:
        """Return what the next draws depend on besides the generator."""
        return list(self.order)

    def restore(self, state: list[int]) -> None:
        """Continue from what `state()` returned."""
        self.order = list(state)


class PairSampler:
    """Draws batches of videos: pairs that share a class, then videos at random.

    labels `[V, C]`. A pair is two different videos of a class drawn uniformly, with replacement,
    among the classes that have two; the rest of the batch is drawn uniformly, with replacement,
    from all videos. `eligible` `[V]` marks the videos that may be in a pair, `single` `[V]` those
    that the rest is drawn from.
    """

    def __init__(
        self,
        labels: np.ndarray,
        batch: int,
        pairs: int,
        eligible: np.ndarray | None = None,
        single: np.ndarray | None = None,
    ) -> None:
        usable = labels.astype(bool)
        if eligible is not None:
            usable = usable & np.asarray(eligible, dtype=bool)[:, None]
        members = [np.flatnonzero(column) for column in usable.T]
        self.members = [videos for videos in members if len(videos) > 1]
        self.unpaired_classes = [c for c, videos in enumerate(members) if len(videos) < 2]
        self.single = np.arange(len(labels)) if single is None else np.flatnonzero(single)
        self.batch = batch
        self.pairs = min(pairs, batch // 2) if self.members else 0

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """Video indices int64 `[batch]`; 2i and 2i+1 share a class for i < pairs."""
        chosen = (
            [
                rng.choice(self.members[c], 2, replace=False)
                for c in rng.integers(len(self.members), size=self.pairs)
            ]
            if self.pairs
            else []
        )
        rest = rng.integers(len(self.single), size=self.batch - 2 * self.pairs)
        return np.concatenate([*chosen, self.single[rest]])

    def state(self) -> list[int]:
        """Return nothing: every draw depends on the generator alone."""
        return []

    def restore(self, state: list[int]) -> None:
        """Continue from what `state()` returned."""


def stratified_snippets(lengths: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Random snippet indices on a grid: lengths `[B]` -> int64 `[B, count]`.

    The rule of the official CO2-Net code: with grid points g_i = i L / count, index i is drawn
    uniformly from floor(g_i)..floor(g_{i+1}), *both* included, the last one from
    floor(g_i)..L-1. A video of exactly `count` snippets is taken as it is, a shorter one
    repeats snippets.
    """
    lengths = np.asarray(lengths, dtype=np.int64)[:, None]
    first = np.arange(count) * lengths // count
    last = np.concatenate([first[:, 1:], lengths - 1], axis=1)
    drawn = rng.integers(first, last, endpoint=True)
    return np.where(lengths == count, np.arange(count), drawn)


def whole_videos(lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every snippet of each video: lengths `[B]` -> indices int64 `[B, T]` and mask bool `[B, T]`.

    T is the longest length; where the mask is false the index repeats the last snippet.
    """
    lengths = np.asarray(lengths, dtype=np.int64)[:, None]
    place = np.arange(lengths.max())
    return np.minimum(place, lengths - 1), place < lengths


class TrainingSet:
    """Features and video-level labels of the training subset, and the batches drawn from them.

    All rows are in one tensor on the device, so that a batch is one gather. `notes` says, in plain
    words, what the run does not get from this data (classes without pairs, videos left out).
    `upstream` are the training videos' scores under another run. Raises WstalError if no training
    video has features, and if one is missing in `upstream` or has another number of snippets there.
    """

    def __init__(
        self,
        features: FeatureFile,
        annotations: Annotations,
        streams: Sequence[str],
        settings: DataSettings,
        device: torch.device,
        upstream: Scores | None = None,
    ) -> None:
        self.streams, self.length, self.notes = list(streams), settings.length, []
        arrays = self._read(features, annotations, settings)
        self.ids, self.classes = list(arrays), annotations.classes
        self.lengths = np.array([len(array) for array in arrays.values()], dtype=np.int64)
        self.offsets = np.concatenate([[0], np.cumsum(self.lengths)[:-1]])
        labels = annotations.label_matrix(self.ids)
        nonzero = np.array([bool(array.any()) for array in arrays.values()])
        long = self.lengths >= settings.min_snippets
        self.sampler = build_sampler(labels, settings, nonzero, long)
        self._drawn = int(long.sum())
        self._note_classes(labels, settings.pairs)
        rows = torch.from_numpy(np.concatenate(list(arrays.values())))
        self.standardization = Standardization.of(rows, settings.standardize)
        self.rows = self.standardization(rows).to(device)
        self.labels = torch.from_numpy(labels).to(device)
        counts = dict(zip(self.ids, self.lengths.tolist(), strict=True))
        self.upstream_rows = _on(device, snippet_arrays(upstream, counts))
        self.upstream_videos = _on(device, video_arrays(upstream, counts))

    def _read(
        self, features: FeatureFile, annotations: Annotations, settings: DataSettings
    ) -> dict[str, np.ndarray]:
        wanted, min_snippets = set(annotations.ids("train")), settings.min_snippets
        in_pairs = settings.short_in_pairs and settings.pairs > 0
        arrays = {i: features.read(i, self.streams) for i in features.ids("train") if i in wanted}
        short = [video for video, array in arrays.items() if len(array) < min_snippets]
        if short:
            self.notes.append(
                f"{len(short)} training videos of fewer than {min_snippets} snippets left out"
                + f"{', but in pairs' if in_pairs else ''}: {', '.join(short)}"
            )
        if short and len(short) == len(arrays):
            raise WstalError(
                f"{features.path}: all {len(short)} training videos with features have fewer than "
                f"{min_snippets} snippets, which this method needs, such as {short[0]} "
                f"({len(arrays[short[0]])}); use longer videos, or a recipe with shorter snippets"
            )
        if not in_pairs:
            arrays = {video: array for video, array in arrays.items() if video not in short}
        if not arrays:
            raise WstalError(
                f"{features.path}: no training video has features; check the split column of the "
                "labels and the coverage file beside the features"
            )
        return arrays

    def _note_classes(self, labels: np.ndarray, pairs: int) -> None:
        counts = labels.sum(0)
        if absent := [name for name, n in zip(self.classes, counts, strict=True) if n == 0]:
            self.notes.append(f"classes without a training video: {', '.join(absent)}")
        if not isinstance(self.sampler, PairSampler) or not pairs:
            return
        single = [self.classes[c] for c in self.sampler.unpaired_classes if counts[c] > 0]
        if single:
            names = ", ".join(single)
            self.notes.append(f"classes with a single training video train without pairs: {names}")
        if self.sampler.pairs == 0:
            self.notes.append("no class has two training videos: the run trains without pairs")

    def span(self, step: float) -> list[str]:
        """Return how many seconds of a video a training sequence has, at `step` seconds a row."""
        shortest, longest = self.lengths.min() * step, self.lengths.max() * step
        videos = f"{len(self.lengths)} training videos of {shortest:.4g} to {longest:.4g} s"
        if self.length is None:
            return [f"a training sequence is a whole video, one snippet in {step:.4g} s", videos]
        more = int((self.lengths > self.length).sum())
        return [
            f"a training sequence has {self.length} snippets, one in {step:.4g} s: "
            f"{self.length * step:.4g} s",
            f"{videos}: of the {more} longer ones snippets are left out, of the others repeated",
        ]

    @property
    def updates_per_epoch(self) -> int:
        """Batches until as many videos are drawn as there are."""
        return -(-self._drawn // self.sampler.batch)

    def digest(self) -> str:
        """Return a digest of all a run learns from: ids, lengths, labels, rows, upstream scores."""
        arrays = (self.lengths, self.labels.cpu().numpy(), self.rows.cpu().numpy())
        scores = {**self.upstream_rows, **self.upstream_videos}
        given = [part for name, a in scores.items() for part in (name, a.cpu().numpy())]
        return data_digest([*self.ids, *arrays, *given])

    def draw(self, rng: np.random.Generator) -> Batch:
        """Draw a batch: features `[B, T, D]`, labels `[B, C]`; whole videos if length is null."""
        videos = self.sampler.draw(rng)
        snippets, mask = self._snippets(videos, rng)
        index = torch.from_numpy(snippets + self.offsets[videos, None])
        index = index.to(self.rows.device, non_blocking=True)
        chosen = torch.from_numpy(videos).to(self.labels.device)
        rows = {name: _padded(values[index], mask) for name, values in self.upstream_rows.items()}
        return Batch(
            features=_padded(self.rows[index], mask),
            labels=self.labels[chosen],
            pairs=self.sampler.pairs,
            mask=mask,
            upstream={**rows, **{n: v[chosen] for n, v in self.upstream_videos.items()}},
        )

    def _snippets(
        self, videos: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, Tensor | None]:
        if self.length is not None:
            return stratified_snippets(self.lengths[videos], self.length, rng), None
        snippets, mask = whole_videos(self.lengths[videos])
        return snippets, None if mask.all() else torch.from_numpy(mask).to(self.rows.device)


def _padded(x: Tensor, mask: Tensor | None) -> Tensor:
    """`[B, T, ...]` with zeros where the mask `[B, T]` is false."""
    return x if mask is None else x.masked_fill(~mask.view(*mask.shape, *[1] * (x.dim() - 2)), 0)


def _on(device: torch.device, arrays: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
    return {name: torch.from_numpy(array).to(device) for name, array in arrays.items()}


class Standardization(NamedTuple):
    """Per-channel shift and scale `[D]`; empty tensors change nothing."""

    mean: Tensor
    scale: Tensor

    @classmethod
    def of(cls, rows: Tensor, mode: Literal["none", "train"]) -> Standardization:
        """Take the statistics of the training rows `[N, D]`; `none`: change nothing.

        A constant channel is only shifted.
        """
        if mode == "none":
            return cls(torch.empty(0), torch.empty(0))
        scale = rows.std(0, unbiased=False)
        return cls(rows.mean(0), torch.where(scale > 1e-6, scale, 1.0))

    def __call__(self, x: Tensor) -> Tensor:
        """Shift and scale `[..., D]`."""
        if not len(self.mean):
            return x
        return (x - self.mean.to(x)) / self.scale.to(x)


# Scores of the run that `scores_from` names, as arrays to train on or to score with.

SNIPPET, VIDEO = ("cas", "attention"), "video_score"  # how the names of these arrays start


def merge_scores(parts: Iterable[Scores]) -> Scores | None:
    """Return the scores of several files as one, None if there are none.

    Raises WstalError if a video is in two of them.
    """
    parts = list(parts)
    videos: dict = {}
    for part in parts:
        if part.classes != parts[0].classes:
            raise WstalError(
                f"two files of upstream scores have different classes ({part.classes} and "
                f"{parts[0].classes}); score the upstream run anew"
            )
        if twice := sorted(set(videos) & set(part.videos)):
            raise WstalError(f"two files of upstream scores contain video {twice[0]}; give one")
        videos |= part.videos
    return None if not parts else Scores(**{**vars(parts[0]), "videos": videos})


def teacher_scores(teachers: Mapping[str, Scores]) -> Scores | None:
    """Return what several runs say of the same videos, each under its own name.

    `cas_{name}` holds class probabilities, whatever the run stores; `attention_{name}` and
    `video_score_{name}` are its own. None if there are no teachers. Raises WstalError if two differ
    in classes, videos or snippets.
    """
    if not teachers:
        return None
    first = next(iter(teachers.values()))
    for name, scores in teachers.items():
        if scores.classes != first.classes or scores.videos.keys() != first.videos.keys():
            raise WstalError(
                f"teacher {name} was scored on other classes or videos than "
                f"{next(iter(teachers))}; score both on the same features"
            )
    return replace(
        first,
        activation="probability",
        videos={video: _of_teachers(teachers, video) for video in first.videos},
    )


def _of_teachers(teachers: Mapping[str, Scores], video: str) -> VideoScores:
    said, extra = {}, {}
    for name, scores in teachers.items():
        own = scores.videos[video]
        said[name] = softmax(own.cas) if scores.activation == "logits" else own.cas
        extra |= {f"cas_{name}": said[name], f"video_score_{name}": own.video_score}
    if len({len(cas) for cas in said.values()}) > 1:
        counts = ", ".join(f"{len(cas)} by {name}" for name, cas in said.items())
        raise WstalError(f"video {video} has {counts} snippets; score the teachers anew")
    attentions = {name: scores.videos[video].attention for name, scores in teachers.items()}
    mean = {"cas": said, "attention": attentions}
    return VideoScores(
        **{key: np.mean(list(of.values()), axis=0) for key, of in mean.items()},
        video_score=np.mean([s.videos[video].video_score for s in teachers.values()], axis=0),
        attentions=attentions,
        extra=extra,
    )


def snippet_arrays(scores: Scores | None, counts: Mapping[str, int]) -> dict[str, np.ndarray]:
    """Return the arrays over time of the videos of `counts` (id: snippets), stacked: `[N, ...]`.

    They are those whose names start with `cas` or `attention`. Raises WstalError naming a video
    that `scores` does not contain or that has another number of snippets there.
    """
    if scores is None:
        return {}
    for video, count in counts.items():
        if video not in scores.videos:
            raise WstalError(
                f"the upstream run has no scores of video {video}; score it on the same features"
            )
        if (found := len(scores.videos[video].cas)) != count:
            raise WstalError(
                f"video {video} has {count} snippets, its upstream scores {found}; "
                "score the upstream run on the same features"
            )
    return _stacked(scores, counts, SNIPPET, np.concatenate)


def video_arrays(scores: Scores | None, ids: Iterable[str]) -> dict[str, np.ndarray]:
    """Return the arrays per video `[V, ...]`, those whose names start with `video_score`."""
    return {} if scores is None else _stacked(scores, ids, VIDEO, np.stack)


def upstream_of_video(scores: Scores, video: str, count: int) -> dict[str, np.ndarray]:
    """Return both kinds of arrays for one video of `count` snippets, as a batch: `[1, ...]`."""
    over_time = snippet_arrays(scores, {video: count})
    return {n: a[None] for n, a in over_time.items()} | video_arrays(scores, [video])


def _stacked(scores: Scores, ids: Iterable[str], prefix, join) -> dict[str, np.ndarray]:
    arrays = [scores.videos[video].arrays() for video in ids]
    names = [name for name in arrays[0] if name.startswith(prefix)] if arrays else []
    return {name: join([of[name] for of in arrays]).astype(np.float32) for name in names}
