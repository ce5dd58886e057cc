"""The training videos of one run, all features resident in memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from wstal.base.errors import WstalError
from wstal.datasets.annotations import Annotations, data_digest
from wstal.features.pack import FeatureFile
from wstal.localize.scores import Scores
from wstal.methods.contract import Batch
from wstal.train.sampling import (
    DataSettings,
    PairSampler,
    build_sampler,
    stratified_snippets,
    whole_videos,
)


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
        arrays = self._read(features, annotations, settings.min_snippets)
        self.ids, self.classes = list(arrays), annotations.classes
        self.lengths = np.array([len(array) for array in arrays.values()], dtype=np.int64)
        self.offsets = np.concatenate([[0], np.cumsum(self.lengths)[:-1]])
        labels = annotations.label_matrix(self.ids)
        nonzero = np.array([bool(array.any()) for array in arrays.values()])
        self.sampler = build_sampler(labels, settings, nonzero)
        self._note_classes(labels, settings.pairs)
        rows = torch.from_numpy(np.concatenate(list(arrays.values())))
        self.standardization = Standardization.of(rows, settings.standardize)
        self.rows = self.standardization(rows).to(device)
        self.labels = torch.from_numpy(labels).to(device)
        counts = dict(zip(self.ids, self.lengths.tolist(), strict=True))
        self.upstream_rows = _on(device, snippet_arrays(upstream, counts))
        self.upstream_videos = _on(device, video_arrays(upstream, counts))

    def _read(
        self, features: FeatureFile, annotations: Annotations, min_snippets: int
    ) -> dict[str, np.ndarray]:
        wanted = set(annotations.ids("train"))
        arrays = {i: features.read(i, self.streams) for i in features.ids("train") if i in wanted}
        short = [video for video, array in arrays.items() if len(array) < min_snippets]
        if short:
            self.notes.append(
                f"{len(short)} training videos of fewer than {min_snippets} snippets left out: "
                + ", ".join(short)
            )
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

    @property
    def updates_per_epoch(self) -> int:
        """Batches until as many videos are drawn as there are."""
        return -(-len(self.ids) // self.sampler.batch)

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
