"""UntrimmedNet's heads on snippet features: class logits and an attention logit per snippet.

Each stream has two linear heads and a loss of its own: two networks in one run. differs from
paper: there the backbones are trained along with the heads; here the features are given, which
makes this a labelled substitute. The exact route is `heads: given`: the published networks' outputs
for each snippet, passed through.

ACN reads the score files: per stream the class probabilities `cas_{stream}` `[T, C]`, the raw
attention `attention_{stream}` `[T]` and the video's classes `video_score_{stream}` `[C]`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from wstal.base.errors import WstalError
from wstal.base.settings import Count, DropoutRate, Positive, SettingsError
from wstal.layers.temporal import Dropout
from wstal.methods import contract
from wstal.methods.contract import Output, TrainingVideos

SCP, ATTENTION = "_scp", "_attention"  # endings of the published streams


@dataclass(frozen=True)
class NetworkSettings:
    """The `model` section: heads on snippet features. "Code" is the authors', commit 76ec6a3."""

    # trained: linear heads | given: published class activation and attention, unchanged (the
    # recipes autoloc_unt*)
    heads: Literal["trained", "given"] = "trained"
    # Of each stream's features, before the heads; the YAML gives the code's rates.
    dropout: Mapping[str, DropoutRate] = field(default_factory=dict)
    # Divides the attention before the softmax over time that weighs the video's score (code).
    temperature: Positive = 3
    # Given: the published column of each class, from 1, where there are more columns than classes.
    columns: tuple[Count, ...] | None = None

    def __post_init__(self) -> None:
        if self.columns and len(set(self.columns)) < len(self.columns):
            raise SettingsError("columns names a column twice; each class has its own")


@dataclass(frozen=True)
class RunSettings(contract.RunSettings):
    """The top level of an UntrimmedNet run's config.

    Streams have a head and a loss each, and one alone works too; with given heads they are
    `x_scp` and `x_attention` of each stream x.
    """

    model: NetworkSettings = field(default_factory=NetworkSettings)


class Snippets(NamedTuple):
    """A head's outputs for each snippet."""

    logits: Tensor  # [B, T, K]
    probabilities: Tensor  # [B, T, K]
    attention: Tensor  # [B, T], unbounded


class StreamHead(nn.Module):
    """Two linear layers on the same features after dropout: `[B, T, D]` -> Snippets."""

    def __init__(self, dim: int, num_classes: int, dropout: float) -> None:
        super().__init__()
        self.dropout = Dropout(dropout)
        self.action, self.attention = nn.Linear(dim, num_classes), nn.Linear(dim, 1)
        for layer in (self.action, self.attention):
            nn.init.normal_(layer.weight, std=0.001)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Snippets:
        """`[B, T, D]` -> Snippets."""
        x = self.dropout(x)
        logits = self.action(x)
        return Snippets(logits, logits.softmax(-1), self.attention(x).squeeze(-1))


class PublishedHead(nn.Module):
    """The published probabilities `[B, T, K]` and attention logits `[B, T, 1]`, unchanged.

    Only probabilities are published. Their logarithm is the logit up to a constant per snippet,
    which changes neither a softmax over classes nor that of a mean of snippets with weights of
    sum 1. Where not all classes of the softmax are published, the video's score is over those
    that are.
    """

    def forward(self, scp: Tensor, attention: Tensor) -> Snippets:
        """`[B, T, K]`, `[B, T, 1]` -> Snippets; a probability of 0 becomes the smallest one."""
        tiny = torch.finfo(scp.dtype).tiny
        return Snippets(scp.clamp_min(tiny).log(), scp, attention.squeeze(-1))


class UntrimmedNet(nn.Module):
    """Heads of several streams on `[B, T, sum of widths]`.

    `widths` are the widths of the parts of the input by name, in order; `heads` are
    (head, names of its parts) by stream. `columns` picks classes after the softmax, for heads
    that have more classes than the data.
    """

    def __init__(
        self,
        widths: Mapping[str, int],
        heads: Mapping[str, tuple[nn.Module, tuple[str, ...]]],
        settings: NetworkSettings,
        columns: list[int] | None = None,
    ) -> None:
        super().__init__()
        self.widths, self.columns, self.temperature = dict(widths), columns, settings.temperature
        self.heads = nn.ModuleDict({stream: head for stream, (head, _) in heads.items()})
        self.parts = {stream: parts for stream, (_, parts) in heads.items()}

    def forward(self, x: Tensor) -> Output:
        """`[B, T, sum of widths]` -> Output, cas the mean of the streams' probabilities.

        The background column of `cas` is 0: these networks have no background class. The attention
        is the mean of the streams' logits.
        """
        given = dict(zip(self.widths, x.split(list(self.widths.values()), -1), strict=True))
        extra: dict[str, Tensor] = {}
        for stream, head in self.heads.items():
            snippets = head(*(given[name] for name in self.parts[stream]))
            video = attended_logits(snippets.logits, snippets.attention, self.temperature)
            video = video.softmax(-1)
            extra[f"logits_{stream}"] = self._picked(snippets.logits)
            extra[f"cas_{stream}"] = self._picked(snippets.probabilities)
            extra[f"attention_{stream}"] = snippets.attention
            extra[f"video_score_{stream}"] = self._picked(video)
        extra["video_score"] = self._mean(extra, "video_score")
        cas = functional.pad(self._mean(extra, "cas"), (0, 1))
        return Output(cas, self._mean(extra, "attention"), x, extra)

    def _picked(self, x: Tensor) -> Tensor:
        return x if self.columns is None else x[..., self.columns]

    def _mean(self, extra: Mapping[str, Tensor], kind: str) -> Tensor:
        return torch.stack([extra[f"{kind}_{stream}"] for stream in self.heads]).mean(0)


def attended_logits(logits: Tensor, attention: Tensor, temperature: float) -> Tensor:
    """Class logits of whole videos, `[B, C]`: the mean over time weighted by attention.

    logits `[B, T, C]`, attention logits `[B, T]`; the weights are softmax(attention /
    temperature) over time, as at the original code's test time.
    """
    weights = (attention / temperature).softmax(1)
    return (weights.unsqueeze(-1) * logits).sum(1)


def build(run: RunSettings, dims: Mapping[str, int], num_classes: int) -> UntrimmedNet:
    """Return the untrained network of a run; `dims` gives the width of each part of the input."""
    settings = run.model
    widths = {name: dims[name] for name in run.streams}
    if settings.heads == "given":
        parts = given_parts(run.streams)
        published = {stream: (PublishedHead(), pair) for stream, pair in parts.items()}
        found = {dims[stream + SCP] for stream in parts}
        columns = columns_of_classes(found, num_classes, settings.columns)
        return UntrimmedNet(widths, published, settings, columns)
    if missing := [name for name in run.streams if name not in settings.dropout]:
        raise WstalError(f"model.dropout names no rate for the stream {missing[0]}; add it")
    heads = {
        name: (StreamHead(width, num_classes, settings.dropout[name]), (name,))
        for name, width in widths.items()
    }
    return UntrimmedNet(widths, heads, settings)


def given_parts(streams: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return `{x: (x_scp, x_attention)}`; WstalError if other streams are among them."""
    names = [name.removesuffix(SCP) for name in streams if name.endswith(SCP)]
    parts = {name: (name + SCP, name + ATTENTION) for name in names}
    if {part for pair in parts.values() for part in pair} != set(streams):
        raise WstalError(
            f"model.heads: given reads the streams x{SCP} and x{ATTENTION} of each x, not "
            f"{list(streams)}"
        )
    return parts


def columns_of_classes(
    widths: set[int], num_classes: int, ids: Sequence[int] | None
) -> list[int] | None:
    """Return the published columns of the data's classes, None where they are all columns.

    `ids` are the classes' places from 1, for networks that have more classes. Raises WstalError if
    columns and classes do not fit.
    """
    if widths == {num_classes}:
        return None
    if ids and len(ids) == num_classes and max(ids) <= min(widths):
        return [place - 1 for place in ids]
    raise WstalError(
        f"the published class activation has {sorted(widths)} columns, the data {num_classes} "
        "classes: name the column of each class, from 1, under model.columns"
    )


def heads_of(run: RunSettings) -> list[str]:
    """Return the names of the streams that have a head."""
    return list(given_parts(run.streams) if run.model.heads == "given" else run.streams)


def attentions(run: RunSettings) -> dict[str, str]:
    """Name each stream's attention by the stream."""
    return {stream: f"attention_{stream}" for stream in heads_of(run)}


def stored(run: RunSettings) -> tuple[str, ...]:
    """Name the scores of each stream, from which ACN starts."""
    return tuple(f"{k}_{stream}" for stream in heads_of(run) for k in ("cas", "video_score"))


def prepare(network: UntrimmedNet, videos: TrainingVideos, run: RunSettings) -> None:
    """Refuse published heads whose columns are not the training videos' classes.

    Nothing in a published file says which column is which class: if the first class of fewer than
    half of the videos is one of their labels, the columns are not in the data's order.
    """
    if run.model.heads == "trained":
        return
    network.eval()
    hits = 0
    for first, length, labels in zip(videos.offsets, videos.lengths, videos.labels, strict=True):
        video = network(videos.rows[None, first : first + length]).extra["video_score"][0]
        hits += int(labels[video.argmax()] > 0)
    network.train()
    if 2 * hits < len(videos.ids):
        raise WstalError(
            f"the published class activation is right for {hits} of {len(videos.ids)} training "
            "videos: its columns are not the classes of this dataset in alphabetical order; "
            "name them under model.columns"
        )
