"""UntrimmedNet with soft selection (Wang et al., CVPR 2017) on snippet features.

Each stream has two linear heads, class logits and an attention logit per snippet, and a loss of
its own: two networks in one run. differs from paper: there the backbones are trained along with
the heads; here the features are given, which makes this a labelled substitute. The exact route
is `heads: given`: what the published networks say of each snippet, passed through.

ACN reads the score files: per stream the class probabilities `cas_{stream}` `[T, C]`, the raw
attention `attention_{stream}` `[T]` and the video's classes `video_score_{stream}` `[C]`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from wstal.base.errors import WstalError
from wstal.layers.layers import Dropout
from wstal.losses.mil import probability_loss
from wstal.methods.contract import Batch, Output
from wstal.methods.untrimmednet.loss import attended_logits, chunk_mixture
from wstal.train.data import TrainingSet

EPS = 1e-8  # inside the loss's logarithm
SCP, ATTENTION = "_scp", "_attention"  # endings of the published streams


class Snippets(NamedTuple):
    """What a head says of each snippet."""

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
    """The published probabilities `[B, T, K]` and attention logits `[B, T, 1]` as they are.

    Only probabilities are published. Their logarithm is the logit up to a constant per snippet,
    which no softmax over classes sees, nor that of a mean of snippets with weights of sum 1. Where
    not all classes of the softmax are published, the video's score is over those that are.
    """

    def forward(self, scp: Tensor, attention: Tensor) -> Snippets:
        """`[B, T, K]`, `[B, T, 1]` -> Snippets; a probability of 0 becomes the smallest one."""
        tiny = torch.finfo(scp.dtype).tiny
        return Snippets(scp.clamp_min(tiny).log(), scp, attention.squeeze(-1))


class UntrimmedNet(nn.Module):
    """Heads of several streams on `[B, T, sum of widths]`.

    `widths` are the widths of the parts of the input by name, in order; `heads` are
    (head, names of its parts) by stream. `columns` picks classes after the softmax, for heads
    that know more classes than the data. `temperature` flattens the attention that weighs the
    video's score.
    """

    activation = "probability"

    def __init__(
        self,
        widths: Mapping[str, int],
        heads: Mapping[str, tuple[nn.Module, tuple[str, ...]]],
        *,
        columns: list[int] | None = None,
        temperature: float = 3.0,
    ) -> None:
        super().__init__()
        self.widths, self.columns, self.temperature = dict(widths), columns, temperature
        self.heads = nn.ModuleDict({stream: head for stream, (head, _) in heads.items()})
        self.parts = {stream: parts for stream, (_, parts) in heads.items()}
        self.stored = tuple(f"{k}_{s}" for s in heads for k in ("cas", "video_score"))

    def forward(self, x: Tensor) -> Output:
        """`[B, T, sum of widths]` -> Output, cas the mean of the streams' probabilities.

        The background column of `cas` is 0: these networks know no background. The attention is
        the mean of the streams' logits.
        """
        given = dict(zip(self.widths, x.split(list(self.widths.values()), -1), strict=True))
        extra: dict[str, Tensor] = {}
        for stream, head in self.heads.items():
            said = head(*(given[name] for name in self.parts[stream]))
            video = attended_logits(said.logits, said.attention, self.temperature).softmax(-1)
            extra[f"logits_{stream}"] = self._picked(said.logits)
            extra[f"cas_{stream}"] = self._picked(said.probabilities)
            extra[f"attention_{stream}"] = said.attention
            extra[f"video_score_{stream}"] = self._picked(video)
        extra["video_score"] = self._mean(extra, "video_score")
        cas = functional.pad(self._mean(extra, "cas"), (0, 1))
        return Output(cas, self._mean(extra, "attention"), x, extra)

    def _picked(self, x: Tensor) -> Tensor:
        return x if self.columns is None else x[..., self.columns]

    def _mean(self, extra: Mapping[str, Tensor], kind: str) -> Tensor:
        return torch.stack([extra[f"{kind}_{stream}"] for stream in self.heads]).mean(0)


def build(config: Mapping[str, Any], dims: Mapping[str, int], num_classes: int) -> UntrimmedNet:
    """The model of a resolved run config; `dims` gives each part's width."""
    settings, names = config["model"], list(config["streams"])
    length, chunks = config["data"]["length"], config["loss"]["chunks"]
    if length is None or length % chunks:
        raise WstalError(
            f"data.length is {length}: give a multiple of loss.chunks ({chunks}), three snippets "
            f"per chunk are {3 * chunks}"
        )
    widths = {name: dims[name] for name in names}
    options = {"temperature": settings["temperature"]}
    if settings["heads"] == "trained":
        if lacking := [name for name in names if name not in settings["dropout"]]:
            raise WstalError(f"model.dropout names no rate for the stream {lacking[0]}; add it")
        heads = {
            name: (StreamHead(dims[name], num_classes, settings["dropout"][name]), (name,))
            for name in names
        }
        return UntrimmedNet(widths, heads, **options)
    streams = [name.removesuffix(SCP) for name in names if name.endswith(SCP)]
    parts = {stream: (stream + SCP, stream + ATTENTION) for stream in streams}
    if {part for pair in parts.values() for part in pair} != set(names):
        raise WstalError(
            f"model.heads: given reads the streams x{SCP} and x{ATTENTION} of each x, not {names}"
        )
    heads = {stream: (PublishedHead(), pair) for stream, pair in parts.items()}
    columns = columns_of_classes({dims[s + SCP] for s in streams}, num_classes, settings["columns"])
    return UntrimmedNet(widths, heads, columns=columns, **options)


def columns_of_classes(
    widths: set[int], num_classes: int, ids: list[int] | None
) -> list[int] | None:
    """Which published columns are the data's classes, None where they are all of them.

    `ids` are the classes' places from 1, for networks that know more. Raises WstalError if
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


def prepare(model: UntrimmedNet, data: TrainingSet, config: Mapping[str, Any]) -> None:
    """Refuse published heads that do not know the training videos' labels.

    Nothing in a published file says which column is which class: if the first class of fewer
    than half of the videos is a label of theirs, the columns are others than the data's.
    """
    if config["model"]["heads"] == "trained":
        return
    model.eval()
    hits = 0
    for first, length, labels in zip(data.offsets, data.lengths, data.labels, strict=True):
        video = model(data.rows[None, first : first + length]).extra["video_score"][0]
        hits += int(labels[video.argmax()] > 0)
    model.train()
    if 2 * hits < len(data.ids):
        raise WstalError(
            f"the published class activation is right for {hits} of {len(data.ids)} training "
            "videos: its columns are not the classes of this dataset in alphabetical order; "
            "name them under model.columns"
        )


def loss(
    output: Output, batch: Batch, config: Mapping[str, Any]
) -> tuple[Tensor, dict[str, Tensor]]:
    """Sum of the streams' losses, and each: -sum_c y_c / |y| log(mixture_c), mean over videos.

    Published heads have nothing to train: their loss is told and moves nothing.
    """
    prefix, chunks = "logits_", config["loss"]["chunks"]
    streams = [name.removeprefix(prefix) for name in output.extra if name.startswith(prefix)]
    terms = {}
    for stream in streams:
        logits, attention = (output.extra[f"{k}_{stream}"] for k in ("logits", "attention"))
        mixture = chunk_mixture(logits, attention, chunks)
        terms[f"mil_{stream}"] = probability_loss(mixture, batch.labels, EPS)
    total = torch.stack(list(terms.values())).sum()
    return (total if total.requires_grad else total.clone().requires_grad_()), terms
