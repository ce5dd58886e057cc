"""Concord's network: a temporal pyramid whose points each give classes and two boundaries.

Points of level l lie 2^l snippets apart. Each has a probability per class and its distances to a
start and an end. Two more classifiers say which class each snippet has, background included, and
which classes a video has. That of snippets reads the features and does not change them; that of
videos learns from the labels of videos alone. Outside training the network uses the moving average
of its weights.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import torch
from annotated_types import Ge, Lt, MinLen
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import get_ema_multi_avg_fn

from wstal.base.settings import Count, DropoutRate, SettingsError
from wstal.layers.temporal import Dropout, TemporalConv
from wstal.losses.mil import snippets_kept, video_logits
from wstal.methods import contract
from wstal.methods.contract import Output


@dataclass(frozen=True)
class NetworkSettings:
    """The `model` section."""

    width: Count = 64  # of every layer
    levels: Count = 4  # of the pyramid; points of level l lie 2^l snippets apart
    blocks: Count = 1  # convolutions before the pyramid; a layer before them reads snippets alone
    dropout: DropoutRate = 0.2  # of the snippets' features, and before each head
    video_topk: Count = 8  # a class's video score is the mean of its T / video_topk best snippets
    # Of the moving average of the weights, which scores videos; 0: the weights themselves.
    average: Annotated[float, Ge(0), Lt(1)] = 0.99


@dataclass(frozen=True)
class RunSettings(contract.RunSettings):
    """The top level of a Concord run's config."""

    # Runs of the same features and seed whose scores of the training videos are learned from.
    teachers: Annotated[tuple[str, ...], MinLen(1)] = ("co2net", "tssam")
    model: NetworkSettings = NetworkSettings()

    def __post_init__(self) -> None:
        super().__post_init__()
        if twice := [name for name in self.teachers if self.teachers.count(name) > 1]:
            raise SettingsError(f"teachers names {twice[0]} twice; name each run once")


class Points(NamedTuple):
    """The points of a pyramid over the videos of a batch, level after level."""

    index: Tensor  # int64 [P], of each among all points of the sequence
    video: Tensor  # int64 [P], whose each is
    centre: Tensor  # [P], snippets from the video's start
    stride: Tensor  # [P], snippets between points of its level


class Concord(nn.Module):
    """The network and the moving average of its weights."""

    def __init__(self, dim: int, num_classes: int, settings: NetworkSettings) -> None:
        super().__init__()
        self.live = Pyramid(dim, num_classes, settings)
        self.average = copy.deepcopy(self.live).requires_grad_(False)
        self.decay = settings.average
        self.register_buffer("updates", torch.zeros(()))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Output:
        """`[B, T, D]`, bool `[B, T]` -> Output; `extra` holds the points of all videos."""
        if not self.training:
            return self.average(x, mask)
        self._follow()
        return self.live(x, mask)

    @torch.no_grad()
    def _follow(self) -> None:
        """Move the average towards the weights; in the first updates by larger steps."""
        self.updates += 1
        decay = min(self.decay, self.updates.item() / (self.updates.item() + 10))
        follow = get_ema_multi_avg_fn(decay)
        follow(list(self.average.parameters()), list(self.live.parameters()), None)


class Pyramid(nn.Module):
    """The layers. The videos of a batch lie behind each other in one sequence, with gaps.

    A video begins at a multiple of the largest stride, and the gap before it is at least as long:
    videos do not see each other, and padding is not computed.
    """

    def __init__(self, dim: int, num_classes: int, settings: NetworkSettings) -> None:
        super().__init__()
        width = settings.width
        self.levels, self.video_topk = settings.levels, settings.video_topk
        self.dropout = Dropout(settings.dropout)
        self.embed = TemporalConv(dim, width, 1)
        self.blocks = nn.ModuleList(TemporalConv(width, width) for _ in range(settings.blocks))
        self.down = nn.ModuleList(TemporalConv(width, width) for _ in range(settings.levels - 1))
        self.class_layer, self.bounds_layer = (TemporalConv(width, width) for _ in range(2))
        self.classes, self.bounds = nn.Linear(width, num_classes), nn.Linear(width, 2)
        self.video = nn.Linear(width, num_classes + 1)
        for layer, bias in ((self.classes, -3.0), (self.bounds, 0.5)):  # rare; about a stride
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.constant_(layer.bias, bias)
        self.scale = nn.Parameter(torch.ones(settings.levels))
        # Draws of its own: the points are learned as they are without this classifier.
        with torch.random.fork_rng(devices=[]):
            self.snippet_layer = TemporalConv(width, width)
            self.snippets = nn.Linear(width, num_classes + 1)

    def forward(self, x: Tensor, mask: Tensor | None) -> Output:
        """`[B, T, D]`, bool `[B, T]` -> Output."""
        mask = x.new_ones(x.shape[:2], dtype=torch.bool) if mask is None else mask
        largest = 2 ** (self.levels - 1)
        place = places(mask, largest)
        length = (int(place[-1]) // largest + 2) * largest
        rows = self.dropout(x[mask])
        own = x.new_zeros(length, 1).index_fill(0, place, 1)
        rows = self.embed(rows[None])[0].relu()
        base = self._convolved(x.new_zeros(length, rows.shape[-1]).index_copy(0, place, rows), own)
        logits, distances = self._read(base, own)
        points = points_of(mask, place, length, self.levels)
        features = base[place]
        snippets = self.snippets(self.snippet_layer(base.detach()[None]).relu()[0, place])
        cas = _unpacked(snippets.softmax(-1), mask)
        video = _unpacked(self.video(self.dropout(features)), mask)
        video = video_logits(video, snippets_kept(mask.shape[1], self.video_topk, mask), mask)
        distances = distances[points.index]
        bounds = points.centre[:, None] + distances * distances.new_tensor([-1, 1])
        extra = {
            "point_logits": logits[points.index][None],
            "point_scores": logits[points.index].sigmoid()[None],
            "boundaries": bounds[None],
            "snippet_logits": _unpacked(snippets, mask),
            "video_logits": video,
            "video_score": video.softmax(-1)[:, :-1],
            **{f"point_{n}": v[None] for n, v in points._asdict().items()},
        }
        return Output(cas, cas[..., :-1].sum(-1), _unpacked(features, mask), extra)

    def _convolved(self, x: Tensor, own: Tensor) -> Tensor:
        """`[L, W]` -> `[L, W]`, zero where `own [L, 1]` is."""
        h = x[None]
        for layer in self.blocks:
            h = h + layer(h).relu() * own
        return h[0]

    def _read(self, base: Tensor, own: Tensor) -> tuple[Tensor, Tensor]:
        """Class logits `[P, C]` and distances `[P, 2]`, in snippets, of every point.

        The levels lie behind each other, too: each begins and ends with a gap, so that the heads
        read all of them at once.
        """
        levels = [base[None]]
        for layer in self.down:
            h, own = halved(levels[-1]), halved(own[None])[0]
            levels.append((h + layer(h).relu()) * own)
        h = torch.cat(levels, 1)
        logits = self.classes(self.dropout(self.class_layer(h).relu()))[0]
        distances = self.bounds(self.dropout(self.bounds_layer(h).relu()))[0]
        lengths = [level.shape[1] for level in levels]
        counts = torch.tensor(lengths, device=h.device)
        scale = self.scale.repeat_interleave(counts, output_size=sum(lengths))[:, None]
        stride = 2 ** torch.arange(len(levels), device=h.device).repeat_interleave(counts)[:, None]
        return logits, functional.softplus(distances * scale) * stride


def halved(x: Tensor) -> Tensor:
    """The larger of every two neighbours: `[1, L, W] -> [1, L / 2, W]`."""
    return x.unflatten(1, (-1, 2)).amax(2)


def _unpacked(rows: Tensor, mask: Tensor) -> Tensor:
    """`[N, W] -> [B, T, W]`, zero where the mask is false."""
    return rows.new_zeros(*mask.shape, rows.shape[-1]).masked_scatter(mask[..., None], rows)


def places(mask: Tensor, stride: int) -> Tensor:
    """Where the snippets of `mask [B, T]` lie in the one sequence: int64 `[N]`."""
    lengths = mask.sum(1)
    room = (lengths + 2 * stride - 1) // stride * stride  # with a gap of a stride at least
    starts = stride + room.cumsum(0) - room
    return (starts[:, None] + mask.cumsum(1) - 1)[mask]


def points_of(mask: Tensor, place: Tensor, length: int, levels: int) -> Points:
    """The points of the videos of `mask [B, T]` in a sequence of `length` snippets."""
    lengths = mask.sum(1)
    starts = place[lengths.cumsum(0) - lengths]
    strides = [2**level for level in range(levels)]
    every = [torch.arange(0, length, stride, device=mask.device) + stride / 2 for stride in strides]
    centre = torch.cat(every)
    stride = torch.cat([torch.full_like(c, s) for c, s in zip(every, strides, strict=True)])
    video = (torch.searchsorted(starts, centre.long(), right=True) - 1).clamp_min(0)
    relative = centre - starts[video]
    index = ((relative >= 0) & (relative < lengths[video])).nonzero()[:, 0]
    return Points(index, video[index], relative[index], stride[index])


def build(run: RunSettings, dims: Mapping[str, int], num_classes: int) -> Concord:
    """Return the untrained network of a run; `dims` gives each stream's width."""
    return Concord(sum(dims[name] for name in run.streams), num_classes, run.model)
