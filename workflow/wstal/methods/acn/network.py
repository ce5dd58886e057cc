"""ACN: action coherence network (Zhai et al., ICIP 2019), one stream at a time.

A regression network per anchor moves the boundaries of sliding proposals so that their content
differs from their surroundings, in class probability (outer-inner contrast) and in features
(coherence). Classification and attention come from UntrimmedNet (`scores_from`). There is no
public code; [R] marks how an ambiguity of the paper is resolved here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from wstal.base.errors import WstalError
from wstal.layers.layers import TemporalConv
from wstal.methods.acn.localize import selected
from wstal.methods.acn.loss import (
    areas_of,
    coherence,
    outer_inner_contrast,
    product_prefix,
    proposal_loss,
)
from wstal.methods.contract import Batch, Output
from wstal.train.data import TrainingSet

QUANTILES = 101  # of the training videos' attention: 0, 0.01, .., 1


def dilation_of(anchor: int, rule: str) -> int:
    """Distance of the taps for an anchor of P snippets.

    The paper has "dilation P/4" and prints a receptive field of (P/4 + P/4 + 2) 2 + 1, which is
    exact where a dilation counts inserted zeros: `inserted`, floor(P/4) + 1 [R]. `rate` is the
    other reading, max(1, P/4).
    """
    if rule not in ("inserted", "rate"):
        raise WstalError(f"dilation_rule {rule!r} is not one of inserted, rate")
    return anchor // 4 + 1 if rule == "inserted" else max(1, anchor // 4)


def margin_of(anchor: int, rule: str) -> float:
    """Width of the areas beside the action in snippets: P/4, by `at_least_one` [R] 1 or more.

    differs from paper: its P/4 is less than a snippet for anchors 1 and 2; AutoLoc's code, its
    model, inflates by at least one. `quarter` is the paper's.
    """
    if rule not in ("at_least_one", "quarter"):
        raise WstalError(f"inflation {rule!r} is not one of at_least_one, quarter")
    return anchor / 4 if rule == "quarter" else max(anchor / 4, 1.0)


class RegressionNetwork(nn.Module):
    """How far start and end would move at each snippet: `[B, T, D] -> [B, T, 2]`, snippets.

    Two convolutions of kernel 3 and one of kernel 1 (section 2.2). ReLU after the first two [R];
    the last starts near zero [R, as AutoLoc's], so that training starts at the anchors.
    """

    def __init__(self, channels: int, width: int, anchor: int, dilation: int) -> None:
        super().__init__()
        self.anchor = anchor
        self.layers = nn.ModuleList(
            [
                TemporalConv(channels, width, dilation=dilation),
                TemporalConv(width, width, dilation=dilation),
                TemporalConv(width, 2, kernel=1),
            ]
        )
        nn.init.normal_(self.layers[-1].weight, std=0.01)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """What `mask [B, T]` leaves out has to be zero; its shifts mean nothing."""
        for layer in self.layers[:-1]:
            x = layer(x, mask).relu()
        out = self.layers[-1](x, mask)
        out = out.to(torch.promote_types(out.dtype, torch.float32))
        # The sigmoid holds a shift within half an anchor: start and end never change places.
        return self.anchor * (out.sigmoid() - 0.5)

    @property
    def receptive_field(self) -> int:
        """Snippets that a shift depends on."""
        return 1 + sum((len(layer.weight) - 1) * layer.dilation for layer in self.layers)


class ACN(nn.Module):
    """Regression networks of one stream on `[B, T, D]`, and what UntrimmedNet says of it.

    `stored` goes into the score file, and with it localization needs no features: the anchors and
    the areas' width `[A]`, the shifts `[A, T, 2]` at each location (not boundaries: half
    precision would not hold those of long videos), L_c `[A, T]` of the proposal that starts there
    (1 where the anchor leaves the video) and the quantiles of the training videos' attention.
    """

    activation = "probability"
    stored = ("anchors", "margins", "shifts", "coherence", "training_quantiles")

    def __init__(
        self,
        stream: str,
        num_classes: int,
        channels: int = 1024,
        *,
        anchors: Sequence[int] = (1, 2, 4, 8, 16, 32),
        width: int = 256,
        dilation_rule: str = "inserted",
        inflation: str = "at_least_one",
        center_features: bool = False,
    ) -> None:
        super().__init__()
        self.stream, self.num_classes, self.center_features = stream, num_classes, center_features
        self.networks = nn.ModuleList(
            RegressionNetwork(channels, width, p, dilation_of(p, dilation_rule)) for p in anchors
        )
        margins = [margin_of(p, inflation) for p in anchors]
        self.register_buffer("anchors", torch.tensor(anchors, dtype=torch.float32))
        self.register_buffer("margins", torch.tensor(margins, dtype=torch.float32))
        self.register_buffer("training_quantiles", torch.zeros(QUANTILES))

    def forward(
        self, x: Tensor, mask: Tensor | None = None, upstream: Mapping[str, Tensor] | None = None
    ) -> Output:
        """`[B, T, D]`, bool `[B, T]` and the scores of the upstream run -> Output.

        Raises WstalError if those are not UntrimmedNet's scores of this stream.
        """
        cas, attention, video_score = self._given(upstream or {})
        shifts = torch.stack([network(x, mask) for network in self.networks], 1)
        lengths = lengths_of(x, mask)
        areas = areas_of(shifts, self.anchors, self.margins, lengths)
        prefix = product_prefix(x, mask, center=self.center_features)
        per_video = {
            name: getattr(self, name).expand(len(x), -1)
            for name in ("anchors", "margins", "training_quantiles")
        }
        borders = coherence(prefix, areas, lengths).where(areas.valid, 1.0)
        extra = {"shifts": shifts, "coherence": borders, "video_score": video_score, **per_video}
        return Output(cas, attention, x, extra)

    def _given(self, upstream: Mapping[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        names = (f"cas_{self.stream}", f"attention_{self.stream}", "video_score")
        if absent := [name for name in names if name not in upstream]:
            raise WstalError(
                f"acn on {self.stream} finds no {', '.join(absent)} among the upstream scores "
                f"({', '.join(sorted(upstream)) or 'none'}); set scores_from: untrimmednet"
            )
        cas, attention, video_score = (upstream[name] for name in names)
        if cas.shape[-1] == self.num_classes:  # UntrimmedNet knows no background
            cas = functional.pad(cas, (0, 1))
        return cas, attention, video_score


def lengths_of(x: Tensor, mask: Tensor | None) -> Tensor:
    """Snippets of each video, int64 `[B]`."""
    return x.new_full((len(x),), x.shape[1]).long() if mask is None else mask.sum(1)


def build(config: Mapping[str, Any], dims: Mapping[str, int], num_classes: int) -> ACN:
    """The model of a resolved run config; `dims` gives each stream's width."""
    streams = config["streams"]
    if len(streams) != 1:
        raise WstalError(
            f"acn trains one stream, the config names {len(streams)}: {streams}; "
            "its streams are joined by `fuse_from`"
        )
    return ACN(streams[0], num_classes, dims[streams[0]], **config["model"])


def prepare(model: ACN, data: TrainingSet, config: Mapping[str, Any]) -> None:
    """Note how the attention is distributed over the snippets of the training videos.

    The paper's thresholds (5 and 7) only mean something for its own attention; a quantile on
    training videos [R] carries over, and never sees a test video.
    """
    name = f"attention_{model.stream}"
    if name not in data.upstream_rows:
        raise WstalError(f"acn finds no {name} upstream; set scores_from: untrimmednet")
    values = data.upstream_rows[name].double().sort().values
    shares = torch.linspace(0, 1, QUANTILES, dtype=torch.float64, device=values.device)
    # Not torch.quantile, which refuses more than 2^24 values.
    places = (shares * (len(values) - 1)).round().long()
    model.training_quantiles.copy_(values[places])


def loss(
    output: Output, batch: Batch, config: Mapping[str, Any]
) -> tuple[Tensor, dict[str, Tensor]]:
    """Mean L of the selected proposals, over a video's class, its classes, then the videos.

    The same selection as at test, with the classes restricted to the video's labels (AutoLoc) [R].
    Terms: L_OIC and L_c of the selected and how many a video and class have. Annotated segments
    are not read, nor any statistic of them.
    """
    settings, extra = config["loss"], output.extra
    lengths = lengths_of(output.features, batch.mask)
    areas = areas_of(extra["shifts"], extra["anchors"][0], extra["margins"][0], lengths)
    classes = trained_classes(extra["video_score"], batch.labels, settings["class_threshold"])
    video, label = classes.nonzero(as_tuple=True)
    areas, borders = areas.of(video), extra["coherence"].double()[video]
    scores, lengths = output.cas[video, :, label], lengths[video]
    contrast = outer_inner_contrast(scores, areas, lengths)
    value = proposal_loss(contrast, borders, settings["alpha"])
    passed = scores >= settings["scp_threshold"]
    keep = selected(-value.detach(), areas, lengths, passed, settings["discard_rule"])
    count = keep.sum((1, 2))
    pairs = video.new_zeros(len(output.cas)).index_add(0, video, (count > 0).long())
    share = 1 / (count * pairs[video] * (pairs > 0).sum()).clamp(min=1)
    weights = share[:, None, None] * keep
    total = (weights * value).sum()
    terms = {
        "contrast": (weights * contrast).sum(),
        "coherence": (weights * borders).sum(),
        "proposals": count.double().mean() if len(count) else count.double().sum(),
    }
    return total, terms


def trained_classes(video_score: Tensor, labels: Tensor, threshold: float) -> Tensor:
    """Classes that a video is trained on, bool `[B, C]`: labelled and of a high enough score.

    All its labels where none is [R].
    """
    labelled = labels > 0
    strong = labelled & (video_score > threshold)
    return strong | (labelled & ~strong.any(1, keepdim=True))
