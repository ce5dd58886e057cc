"""TS-SAM's network: two branches classify a video, a dictionary holds what each class looks like.

One branch classifies features pooled by attention, the other the strongest snippets. There is no
public code. "Paper" is what the paper states, "ACM-Net" what its closest relative with code does
(commit 4d38dc6), "reading" a choice made here where neither decides; docs/tssam.md sets the
choices side by side.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple

import numpy as np
import torch
from annotated_types import Ge
from torch import Tensor, nn

from wstal.base.settings import Count, DropoutRate, Positive
from wstal.layers.sampling import at_snippets, uniform_snippets
from wstal.layers.temporal import Dropout, TemporalConv
from wstal.losses.mil import snippets_kept, suppress, video_logits
from wstal.methods import contract
from wstal.methods.contract import TrainingVideos

KINDS = 3  # attentions: foreground (fg), context (ct), background (bg), in this order


@dataclass(frozen=True)
class TopkSettings:
    """Divisor of T per attention: the mean of the T / k strongest snippets classifies the video."""

    fg: Count = 8  # paper
    ct: Count = 2  # paper; ACM-Net: 3
    bg: Count = 2  # paper; ACM-Net: 3


@dataclass(frozen=True)
class NetworkSettings:
    """The `model` section: the network."""

    # What classifies a video: both branches (late fusion), or one alone (Tables 5 and 6).
    branches: Literal["both", "attention", "mil"] = "both"
    # residual: x + dropout(relu(conv(x))), a reading | plain: relu(conv(x)), without x and without
    # dropout (ACM-Net)
    block: Literal["residual", "plain"] = "residual"
    # Spread of its convolution's first weights, so that x starts near the raw features; null: He's.
    block_std: Positive | None = 1e-3
    # softmax over the three attentions (ACM-Net) | sigmoid of each (the paper only says in [0, 1])
    attention: Literal["softmax", "sigmoid"] = "softmax"
    # False: one classifier for both branches, as "shared" in section 3.2 allows; true: the pooled
    # features have their own.
    own_classifier: bool = False
    topk: TopkSettings = TopkSettings()
    dropout: DropoutRate = 0.5  # in the block and before the MIL branch's classifier (paper)
    # Share of whole snippets that are zero before the MIL branch's classifier (ACM-Net: 0.5).
    snippet_dropout: DropoutRate = 0.0
    # First dictionary: class means of the training features, or uniform in [0, 1]; the paper says
    # both.
    dict_init: Literal["centroid", "uniform"] = "centroid"
    # Outside training a video is read at so many snippets of a uniform grid, as many as it is
    # trained with (ACM-Net), and the outputs are put back on its own; null: at every snippet.
    test_length: Annotated[int, Ge(2)] | None = 750
    # A video of fewer snippets: each is read once (ACM-Net) | repeated up to the length.
    short_videos: Literal["once", "repeat"] = "once"


@dataclass(frozen=True)
class RunSettings(contract.RunSettings):
    """The top level of a TS-SAM run's config; any number of streams, side by side."""

    model: NetworkSettings = NetworkSettings()


class TSSAMOutput(NamedTuple):
    """The network's output; `cas` holds the logits p before any attention, background last."""

    cas: Tensor  # [B, T, C+1]
    attention: Tensor  # [B, T], foreground
    attention_ct: Tensor  # [B, T]
    attention_bg: Tensor  # [B, T]
    features: Tensor  # [B, T, D]
    probabilities: Tensor  # [B, 3, C+1], the video's under each attention
    branches: Tensor  # [B, N, 3, C+1], the same of each branch alone: attention, then MIL
    dictionary: Tensor  # [C+1, D]
    extra: dict[str, Tensor] = {}  # video_score [B, C]: under the foreground attention


class TSSAM(nn.Module):
    """TS-SAM on `[B, T, D]`, the streams side by side."""

    def __init__(self, num_classes: int, dim: int, settings: NetworkSettings) -> None:
        super().__init__()
        self.branches, self.test_length = settings.branches, settings.test_length
        self.repeat = settings.short_videos == "repeat"
        self.normalization = settings.attention
        self.divisors = [settings.topk.fg, settings.topk.ct, settings.topk.bg]
        self.block = SnippetBlock(dim, settings)
        self.attend = TemporalConv(dim, KINDS, kernel=1)
        self.dropout = Dropout(settings.dropout)
        self.snippet_dropout = Dropout(settings.snippet_dropout)
        self.classifier = TemporalConv(dim, num_classes + 1, kernel=1)
        # Shared by the three pooled features, and by the MIL branch unless the settings say
        # otherwise.
        own = settings.own_classifier and settings.branches == "both"
        self.pooled_classifier = TemporalConv(dim, num_classes + 1, 1) if own else self.classifier
        # A uniform start is the paper's second reading; centroids come with `prepare`.
        self.dictionary = nn.Parameter(torch.rand(num_classes + 1, dim))

    def forward(self, x: Tensor) -> TSSAMOutput:
        """`[B, T, D]` -> TSSAMOutput, of a sample of `test_length` snippets when not training."""
        length = self.test_length
        if self.training or length is None or (x.shape[1] <= length and not self.repeat):
            return self.read(x)
        index = uniform_snippets(x.shape[1], self.test_length, x.device)
        output = self.read(x[:, index])
        names = ("cas", "attention", "attention_ct", "attention_bg", "features")
        fields = output._asdict()
        back = {name: at_snippets(fields[name], index, x.shape[1]) for name in names}
        return output._replace(**back)

    def read(self, x: Tensor) -> TSSAMOutput:
        """The output for exactly the snippets `[B, T, D]` given."""
        x = self.block(x)
        scores = self.attend(x)
        attention = scores.softmax(-1) if self.normalization == "softmax" else scores.sigmoid()
        # Without a MIL branch there is no dropout before the one classifier.
        p = self.classifier(x if self.branches == "attention" else self.dropped(x))
        parts = []
        if self.branches != "mil":
            parts.append(self.pooled(x, attention))
        if self.branches != "attention":
            parts.append(self.strongest(p, attention))
        y = sum(parts) / len(parts)  # late fusion, of probabilities
        fg, ct, bg = attention.unbind(-1)
        extra = {"video_score": y[:, 0, :-1]}
        return TSSAMOutput(p, fg, ct, bg, x, y, torch.stack(parts, 1), self.dictionary, extra)

    def dropped(self, x: Tensor) -> Tensor:
        """Return features `[B, T, D]` without the snippets and elements that dropout zeroes."""
        if self.snippet_dropout.p:
            x = x * self.snippet_dropout(x.new_ones(*x.shape[:2], 1))
        return self.dropout(x)

    def pooled(self, x: Tensor, attention: Tensor) -> Tensor:
        """Attention branch: class probabilities `[B, 3, C+1]` of the three pooled features."""
        total = attention.sum(1).clamp_min(torch.finfo(x.dtype).tiny)
        return self.pooled_classifier(attention.mT @ x / total[..., None]).softmax(-1)

    def strongest(self, p: Tensor, attention: Tensor) -> Tensor:
        """MIL branch: probabilities `[B, 3, C+1]` of the top-k means of a_b p, each its own k."""
        logits = [
            video_logits(suppress(p, a, "product"), snippets_kept(p.shape[1], divisor))
            for a, divisor in zip(attention.unbind(-1), self.divisors, strict=True)
        ]
        return torch.stack(logits, 1).softmax(-1)


class SnippetBlock(nn.Module):
    """One convolution over time, `[B, T, D] -> [B, T, D]`.

    differs from paper: it names a "residual block" without details. `residual` is
    x + Dropout(ReLU(Conv(x))), nothing after the sum and the convolution's weights drawn with
    `block_std` (null: as every other layer), so that features start near the raw ones, as a
    dictionary of raw centroids presupposes. `plain` is ACM-Net's ReLU(Conv(x)).
    """

    def __init__(self, dim: int, settings: NetworkSettings) -> None:
        super().__init__()
        self.residual = settings.block == "residual"
        self.conv = TemporalConv(dim, dim)
        if settings.block_std is not None:
            nn.init.normal_(self.conv.weight, std=settings.block_std)
        self.dropout = Dropout(settings.dropout)

    def forward(self, x: Tensor) -> Tensor:
        """`[B, T, D] -> [B, T, D]`."""
        y = self.conv(x).relu()
        return x + self.dropout(y) if self.residual else y


def build(run: RunSettings, dims: Mapping[str, int], num_classes: int) -> TSSAM:
    """Return the untrained network of a run; `dims` gives each stream's width."""
    return TSSAM(num_classes, sum(dims[name] for name in run.streams), run.model)


def prepare(network: TSSAM, videos: TrainingVideos, run: RunSettings) -> None:
    """Start the dictionary from the training features, if the settings say so."""
    if run.model.dict_init == "centroid":
        with torch.no_grad():
            centroids = class_centroids(videos.rows, videos.lengths, videos.labels)
            network.dictionary.copy_(centroids)


def class_centroids(rows: Tensor, lengths: np.ndarray, labels: Tensor) -> Tensor:
    """Return the mean features per class and of everything: `[C+1, D]`, background last.

    rows `[N, D]` are the snippets of all videos one after the other, lengths `[V]`, labels
    `[V, C]`. A class is the mean over its videos of their mean features, so that long videos
    count no more than short ones; the background, which no label marks, is the mean of all
    snippets, and so is a class without videos.
    """
    counts = torch.as_tensor(lengths, device=rows.device)
    owner = torch.repeat_interleave(torch.arange(len(counts), device=rows.device), counts)
    sums = rows.new_zeros(len(counts), rows.shape[1]).index_add(0, owner, rows)
    means = sums / counts[:, None]
    videos = labels.sum(0)[:, None]
    everything = sums.sum(0) / len(rows)
    classes = torch.where(videos > 0, labels.mT @ means / videos.clamp_min(1), everything)
    return torch.cat([classes, everything[None]])
