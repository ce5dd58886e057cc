"""TS-SAM: two-stream network with semantic-aware mechanism (CVPR 2023).

Two branches classify a video, one from features pooled by attention, one from its strongest
snippets; a learnable dictionary holds what each class looks like. There is no public code: where
the paper is silent or contradicts itself, a named switch holds the readings, the default is what
its closest relative with code (ACM-Net, commit 4d38dc6) does or what the paper's numbers need.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from wstal.base.errors import WstalError
from wstal.layers.layers import Dropout, TemporalConv
from wstal.losses.mil import probability_loss, snippets_kept, suppress, video_logits
from wstal.losses.opposite import opposite_loss
from wstal.methods.contract import Batch
from wstal.methods.tssam.loss import attention_targets, dictionary_loss, warmup_factor
from wstal.train.data import TrainingSet

# FOLDED What the training features of each class look like on average.


def class_centroids(rows: Tensor, lengths: np.ndarray, labels: Tensor) -> Tensor:
    """Mean features per class and of everything: `[C+1, D]`, background last.

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


# FOLDED Reading a video at a fixed number of snippets, and what that says of each of its own.


def uniform_snippets(length: int, count: int, device: torch.device | str = "cpu") -> Tensor:
    """Snippets floor(i length / count), ascending int64 `[count]`; a shorter video repeats some."""
    return torch.arange(count, device=device) * length // count


def at_snippets(sampled: Tensor, index: Tensor, length: int) -> Tensor:
    """Values of samples `[B, S, ...]`, drawn at snippets `index` `[S]`, on all snippets.

    `index` ascends and starts at 0. A snippet that several samples were drawn at gets their
    mean, one that was passed over lies on the line between its neighbours, and after the last
    sample its value stays: `[B, length, ...]`.
    """
    total = sampled.new_zeros(sampled.shape[0], length, *sampled.shape[2:])
    count = torch.bincount(index, minlength=length).clamp_min(1)
    shape = (1, length, *[1] * (sampled.dim() - 2))
    mean = total.index_add(1, index, sampled) / count.view(shape)
    snippets = torch.arange(length, device=index.device)
    last = torch.searchsorted(index, snippets, right=True) - 1
    before, after = index[last], index[(last + 1).clamp_max(len(index) - 1)]
    way = (snippets - before) / (after - before).clamp_min(1)
    return mean[:, before].lerp(mean[:, after], way.to(mean.dtype).view(shape))


BRANCHES = ("both", "attention", "mil")
KINDS = 3  # attentions: foreground (fg), context (ct), background (bg), in this order
EPS = 1e-8  # inside the logarithms of the classification terms


class TSSAMOutput(NamedTuple):
    """The model's output; `cas` holds the logits p before any attention, background last."""

    cas: Tensor  # [B, T, C+1]
    attention: Tensor  # [B, T], foreground
    attention_ct: Tensor  # [B, T]
    attention_bg: Tensor  # [B, T]
    features: Tensor  # [B, T, D]
    probabilities: Tensor  # [B, 3, C+1], the video's under each attention
    dictionary: Tensor  # [C+1, D]
    extra: dict[str, Tensor] = {}  # video_score [B, C]: under the foreground attention


class SnippetBlock(nn.Module):
    """One convolution over time, `[B, T, D] -> [B, T, D]`.

    differs from paper: it names a "residual block" and says no more. `residual` is
    x + Dropout(ReLU(Conv(x))), nothing after the sum and the convolution's weights drawn with
    `std` (null: as every other layer), so that features start near the raw ones, as a dictionary
    of raw centroids presupposes. `plain` is ACM-Net's Dropout(ReLU(Conv(x))).
    """

    def __init__(self, dim: int, kind: str, std: float | None, dropout: float) -> None:
        super().__init__()
        if kind not in ("residual", "plain"):
            raise WstalError(f"block {kind!r} is not one of residual, plain")
        self.residual = kind == "residual"
        self.conv = TemporalConv(dim, dim)
        if std is not None:
            nn.init.normal_(self.conv.weight, std=std)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """`[B, T, D] -> [B, T, D]`."""
        y = self.dropout(self.conv(x).relu())
        return x + y if self.residual else y


class TSSAM(nn.Module):
    """TS-SAM on `[B, T, D]`, the streams side by side.

    `branches` names what classifies: both (late fusion), attention, or mil (Tables 5 and 6).
    `topk` divides T per attention (fg, ct, bg). `test_length`: videos are read at that many
    snippets on a uniform grid when not training, and the outputs put back on the snippets; null
    reads every snippet once.
    """

    activation = "logits"

    def __init__(
        self,
        num_classes: int,
        dim: int = 2048,
        *,
        branches: str = "both",
        block: str = "residual",
        block_std: float | None = 1e-3,
        attention: str = "softmax",
        own_classifier: bool = True,
        topk: Mapping[str, int] | None = None,
        dropout: float = 0.5,
        dict_init: str = "centroid",
        test_length: int | None = None,
    ) -> None:
        super().__init__()
        for name, value, allowed in (
            ("branches", branches, BRANCHES),
            ("attention", attention, ("softmax", "sigmoid")),
            ("dict_init", dict_init, ("centroid", "uniform")),
        ):
            if value not in allowed:
                raise WstalError(f"{name} {value!r} is not one of {', '.join(allowed)}")
        self.branches, self.normalization, self.test_length = branches, attention, test_length
        sigma = topk or {"fg": 8, "ct": 2, "bg": 2}
        self.divisors = [sigma[name] for name in ("fg", "ct", "bg")]
        self.block = SnippetBlock(dim, block, block_std, dropout)
        self.attend = TemporalConv(dim, KINDS, kernel=1)
        self.dropout = Dropout(dropout)
        self.classifier = TemporalConv(dim, num_classes + 1, kernel=1)
        # Shared by the three pooled features. differs from paper: it does not say whether the MIL
        # branch has the same one; own_classifier=False reads it so.
        own = own_classifier and branches == "both"
        self.pooled_classifier = TemporalConv(dim, num_classes + 1, 1) if own else self.classifier
        # A uniform start is the paper's second reading; centroids come with `prepare`.
        self.dictionary = nn.Parameter(torch.rand(num_classes + 1, dim))

    def forward(self, x: Tensor) -> TSSAMOutput:
        """`[B, T, D]` -> TSSAMOutput."""
        if self.training or self.test_length is None:
            return self.read(x)
        index = uniform_snippets(x.shape[1], self.test_length, x.device)
        output = self.read(x[:, index])
        names = ("cas", "attention", "attention_ct", "attention_bg", "features")
        back = {n: at_snippets(getattr(output, n), index, x.shape[1]) for n in names}
        return output._replace(**back)

    def read(self, x: Tensor) -> TSSAMOutput:
        """The output for exactly the snippets `[B, T, D]` given."""
        x = self.block(x)
        scores = self.attend(x)
        attention = scores.softmax(-1) if self.normalization == "softmax" else scores.sigmoid()
        # Without a MIL branch there is no dropout before the one classifier.
        p = self.classifier(x if self.branches == "attention" else self.dropout(x))
        parts = []
        if self.branches != "mil":
            parts.append(self.pooled(x, attention))
        if self.branches != "attention":
            parts.append(self.strongest(p, attention))
        y = sum(parts) / len(parts)  # late fusion, of probabilities
        fg, ct, bg = attention.unbind(-1)
        return TSSAMOutput(p, fg, ct, bg, x, y, self.dictionary, {"video_score": y[:, 0, :-1]})

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


def build(config: Mapping[str, Any], dims: Mapping[str, int], num_classes: int) -> TSSAM:
    """The model of a resolved run config; `dims` gives each stream's width."""
    if config["data"]["length"] is None:
        raise WstalError("tssam pools over a fixed number of snippets: give data.length a number")
    dim = sum(dims[name] for name in config["streams"])
    return TSSAM(num_classes, dim, **config["model"])


def prepare(model: TSSAM, data: TrainingSet, config: Mapping[str, Any]) -> None:
    """Start the dictionary from the training features, if the config says so."""
    if config["model"]["dict_init"] == "centroid":
        with torch.no_grad():
            model.dictionary.copy_(class_centroids(data.rows, data.lengths, data.labels))


def loss(
    output: TSSAMOutput, batch: Batch, config: Mapping[str, Any]
) -> tuple[Tensor, dict[str, Tensor]]:
    """Weighted total and the unweighted terms; a term of weight 0 is not computed."""
    settings = config["loss"]
    targets = dict(zip(("fg", "ct", "bg"), attention_targets(batch.labels).unbind(1), strict=True))
    found = dict(zip(targets, output.probabilities.unbind(1), strict=True))

    def compute(name: str) -> Tensor:
        if name in targets:
            return probability_loss(found[name], targets[name], EPS)
        if name == "smt":
            return dictionary_loss(output.features, output.dictionary, output.cas)
        return opposite_loss(
            output.attention[None],
            suppress(output.cas, output.attention, "product"),
            background=settings["gui_bg"],
            reduction=settings["gui_reduction"],
            detach=settings["gui_detach"],
        )

    weights = {name: weight for name, weight in settings["weights"].items() if weight}
    terms = {name: compute(name) for name in weights}
    if "smt" in weights:
        weights["smt"] *= warmup_factor(batch.progress, settings["smt_warmup"])
    return sum(weights[name] * term for name, term in terms.items()), terms
