"""The training videos of one run, all features resident in memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from wstal.data.annotations import Annotations
from wstal.data.batch import Batch
from wstal.data.digest import data_digest
from wstal.data.sampling import PairSampler, build_sampler, stratified_snippets, whole_videos
from wstal.data.standardize import Standardization
from wstal.data.upstream import snippet_arrays, video_arrays
from wstal.errors import WstalError
from wstal.features.pack import FeatureFile
from wstal.localize.scores import Scores


class TrainingSet:
    """Features and video-level labels of the training subset, and the batches drawn from them.

    All rows lie in one tensor on the device, so that a batch is one gather. `notes` says, in
    plain words, what the run does not get from this data (classes without pairs, videos left
    out). `upstream` are the training videos' scores under another run. Raises WstalError if no
    training video has features, and if `upstream` lacks one or has another number of snippets.
    """

    def __init__(
        self,
        features: FeatureFile,
        annotations: Annotations,
        config: Mapping[str, Any],
        device: torch.device,
        upstream: Scores | None = None,
    ) -> None:
        settings, self.streams = config["data"], list(config["streams"])
        self.length, self.notes = settings["length"], []
        arrays = self._read(features, annotations, settings["min_snippets"])
        self.ids, self.classes = list(arrays), annotations.classes
        self.lengths = np.array([len(array) for array in arrays.values()], dtype=np.int64)
        self.offsets = np.concatenate([[0], np.cumsum(self.lengths)[:-1]])
        labels = annotations.label_matrix(self.ids)
        nonzero = np.array([bool(array.any()) for array in arrays.values()])
        self.sampler = build_sampler(labels, settings, nonzero)
        self._note_classes(labels, settings["pairs"])
        rows = torch.from_numpy(np.concatenate(list(arrays.values())))
        self.standardization = Standardization.of(rows, settings["standardize"])
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
        """Batches until as many videos were drawn as there are."""
        return -(-len(self.ids) // self.sampler.batch)

    def digest(self) -> str:
        """What a run learns from: ids, lengths, labels, rows and upstream scores as in memory."""
        arrays = (self.lengths, self.labels.cpu().numpy(), self.rows.cpu().numpy())
        scores = {**self.upstream_rows, **self.upstream_videos}
        given = [part for name, a in scores.items() for part in (name, a.cpu().numpy())]
        return data_digest([*self.ids, *arrays, *given])

    def draw(self, rng: np.random.Generator) -> Batch:
        """One batch: features `[B, T, D]`, labels `[B, C]`; whole videos if length is null."""
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
