"""Which videos and which of their snippets a training batch contains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge

from wstal.base.settings import Count, SettingsError


@dataclass(frozen=True)
class DataSettings:
    """The `data` section: batches."""

    # Snippets drawn from each video; null: whole videos, padded to the longest of the batch.
    length: Annotated[int, Ge(2)] | None
    batch: Count  # videos in a batch
    pairs: Annotated[int, Ge(0)] = 0  # pairs of videos of one class among them
    # random: videos are drawn with replacement | epochs: every video once, in random order
    order: Literal["random", "epochs"] = "epochs"
    min_snippets: Count = 1  # training videos with fewer are left out
    # none: features unchanged | train: the training set's mean and spread removed, per channel
    standardize: Literal["none", "train"] = "none"

    def __post_init__(self) -> None:
        if self.order == "epochs" and self.pairs:
            raise SettingsError(
                f"order: epochs takes every video once and cannot draw pairs, but pairs is "
                f"{self.pairs}; set pairs to 0 or order to random"
            )


def build_sampler(
    labels: np.ndarray, settings: DataSettings, nonzero: np.ndarray
) -> PairSampler | EpochSampler:
    """Return the sampler of a run's videos.

    labels `[V, C]`; `nonzero` `[V]` marks the videos whose features are not all zero.
    """
    if settings.order == "epochs":
        return EpochSampler(len(labels), settings.batch)
    return PairSampler(labels, settings.batch, settings.pairs, nonzero)


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
    from all videos. `eligible` `[V]` marks the videos that may be in a pair.
    """

    def __init__(
        self, labels: np.ndarray, batch: int, pairs: int, eligible: np.ndarray | None = None
    ) -> None:
        usable = labels.astype(bool)
        if eligible is not None:
            usable = usable & np.asarray(eligible, dtype=bool)[:, None]
        members = [np.flatnonzero(column) for column in usable.T]
        self.members = [videos for videos in members if len(videos) > 1]
        self.unpaired_classes = [c for c, videos in enumerate(members) if len(videos) < 2]
        self.videos, self.batch = len(labels), batch
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
        rest = rng.integers(self.videos, size=self.batch - 2 * self.pairs)
        return np.concatenate([*chosen, rest])

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
