"""ACN's network: a regression network per anchor moves the boundaries of sliding proposals.

It makes their content differ from their surroundings, in class probability (outer-inner contrast)
and in features (coherence). Classification and attention come from UntrimmedNet (`scores_from`).
There is no public code; [R] marks how an ambiguity of the paper is resolved here, "AutoLoc" the
public code that it builds on (commit 82c7e51).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from annotated_types import MaxLen, MinLen
from torch import Tensor, nn
from torch.nn import functional

from wstal.base.errors import WstalError
from wstal.base.settings import Count, SettingsError
from wstal.layers.temporal import TemporalConv
from wstal.methods import contract
from wstal.methods.acn.proposals import areas_of, coherence, product_prefix
from wstal.methods.contract import NOTHING, Output, TrainingVideos

DilationRule = Literal["inserted", "rate"]
Inflation = Literal["at_least_one", "quarter"]
QUANTILES = 101  # of the training videos' attention: 0, 0.01, .., 1

# For the score file, with which localization needs no features: the anchors and the areas' width
# [A], the shifts [A, T, 2] of the boundaries at each location, L_c [A, T] of the proposal that
# starts there (1 where the anchor leaves the video) and the quantiles of the training videos'
# attention.
STORED = ("anchors", "margins", "shifts", "coherence", "training_quantiles")


@dataclass(frozen=True)
class NetworkSettings:
    """The `model` section: the regression networks."""

    # Lengths of the sliding proposals in snippets (paper, THUMOS14).
    anchors: Annotated[tuple[Count, ...], MinLen(1)] = (1, 2, 4, 8, 16, 32)
    width: Count = 256  # channels of the regression networks (paper)
    # inserted: P/4 zeros between two taps, the printed receptive field [R] | rate: taps P/4 apart
    dilation_rule: DilationRule = "inserted"
    # Width of the areas beside an action: max(P/4, 1) [R, AutoLoc] | quarter: P/4 (paper)
    inflation: Inflation = "at_least_one"
    center_features: bool = False  # true: cosines of features without the video's mean
    # What the regression networks see; section 3.2 and figure 1 can be read either way. features:
    # those alone [R] | with_scores: also the class probabilities and the attention
    inputs: Literal["features", "with_scores"] = "features"
    # Whose class scores of a video. stream: those of the trained stream | fused: the mean of both
    video_score: Literal["stream", "fused"] = "stream"

    def __post_init__(self) -> None:
        if len(set(self.anchors)) < len(self.anchors):
            raise SettingsError("anchors names a length twice; name each once")


@dataclass(frozen=True)
class FuseSettings:
    """The runs whose proposals a run joins, one per stream."""

    rgb: str
    flow: str


@dataclass(frozen=True)
class RunSettings(contract.RunSettings):
    """The top level of an ACN run's config: a stream that is trained, or two that are joined."""

    streams: Annotated[tuple[str, ...], MinLen(1), MaxLen(2)] = ("rgb", "flow")
    # The run that gives each stream's class probability, attention and video scores.
    scores_from: str | None = "untrimmednet"
    fuse_from: FuseSettings | None = None  # null: this run is trained
    model: NetworkSettings = NetworkSettings()


class ACN(nn.Module):
    """Regression networks of one stream on `[B, T, D]`, beside UntrimmedNet's scores of it."""

    def __init__(
        self, stream: str, num_classes: int, channels: int, settings: NetworkSettings
    ) -> None:
        super().__init__()
        self.stream, self.num_classes = stream, num_classes
        self.settings = settings
        width = channels + (num_classes + 1 if settings.inputs == "with_scores" else 0)
        self.networks = nn.ModuleList(
            RegressionNetwork(
                width, settings.width, anchor, dilation_of(anchor, settings.dilation_rule)
            )
            for anchor in settings.anchors
        )
        margins = [margin_of(anchor, settings.inflation) for anchor in settings.anchors]
        self.register_buffer("anchors", torch.tensor(settings.anchors, dtype=torch.float32))
        self.register_buffer("margins", torch.tensor(margins, dtype=torch.float32))
        self.register_buffer("training_quantiles", torch.zeros(QUANTILES))

    def forward(
        self, x: Tensor, mask: Tensor | None = None, upstream: Mapping[str, Tensor] = NOTHING
    ) -> Output:
        """`[B, T, D]`, bool `[B, T]` and the scores of the upstream run -> Output.

        Raises WstalError if those are not UntrimmedNet's scores of this stream.
        """
        cas, attention, video_score = self._given(upstream)
        given = x
        if self.settings.inputs == "with_scores":
            scores = (cas[..., : self.num_classes], attention[..., None])
            given = torch.cat([x, *(score.to(x.dtype) for score in scores)], -1)
        shifts = torch.stack([network(given, mask) for network in self.networks], 1)
        lengths = lengths_of(x, mask)
        areas = areas_of(shifts, self.anchors, self.margins, lengths)
        prefix = product_prefix(x, mask, center=self.settings.center_features)
        constants = {
            "anchors": self.anchors,
            "margins": self.margins,
            "training_quantiles": self.training_quantiles,
        }
        per_video = {name: value.expand(len(x), -1) for name, value in constants.items()}
        borders = coherence(prefix, areas, lengths).where(areas.valid, 1.0)
        extra = {"shifts": shifts, "coherence": borders, "video_score": video_score, **per_video}
        return Output(cas, attention, x, extra)

    def _given(self, upstream: Mapping[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        score = "video_score" + f"_{self.stream}" * (self.settings.video_score == "stream")
        names = (f"cas_{self.stream}", f"attention_{self.stream}", score)
        if absent := [name for name in names if name not in upstream]:
            raise WstalError(
                f"acn on {self.stream} finds no {', '.join(absent)} among the upstream scores "
                f"({', '.join(sorted(upstream)) or 'none'}); set scores_from: untrimmednet"
            )
        cas, attention, video_score = (upstream[name] for name in names)
        if cas.shape[-1] == self.num_classes:  # UntrimmedNet has no background
            cas = functional.pad(cas, (0, 1))
        return cas, attention, video_score


class RegressionNetwork(nn.Module):
    """How far start and end would move at each snippet: `[B, T, D] -> [B, T, 2]`, snippets.

    Two convolutions of kernel 3 and one of kernel 1 (section 3.2). ReLU after the first two [R];
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
        """Features have to be zero where `mask [B, T]` is false; the shifts there are not used."""
        for layer in self.layers[:-1]:
            x = layer(x, mask).relu()
        out = self.layers[-1](x, mask)
        out = out.to(torch.promote_types(out.dtype, torch.float32))
        # The sigmoid keeps a shift within half an anchor: start and end never change places.
        return self.anchor * (out.sigmoid() - 0.5)

    @property
    def receptive_field(self) -> int:
        """Snippets that a shift depends on."""
        return 1 + sum((len(layer.weight) - 1) * layer.dilation for layer in self.layers)


def dilation_of(anchor: int, rule: DilationRule) -> int:
    """Distance of the taps for an anchor of P snippets.

    The paper has "dilation P/4" and prints a receptive field of (P/4 + P/4 + 2) 2 + 1, which is
    exact where a dilation counts inserted zeros: `inserted`, floor(P/4) + 1 [R]. `rate` is the
    other reading, max(1, P/4).
    """
    return anchor // 4 + 1 if rule == "inserted" else max(1, anchor // 4)


def margin_of(anchor: int, rule: Inflation) -> float:
    """Width of the areas beside the action in snippets: P/4, by `at_least_one` [R] 1 or more.

    differs from paper: its P/4 is less than a snippet for anchors 1 and 2; AutoLoc's code, its
    model, inflates by at least one. `quarter` is the paper's.
    """
    return anchor / 4 if rule == "quarter" else max(anchor / 4, 1.0)


def lengths_of(x: Tensor, mask: Tensor | None) -> Tensor:
    """Snippets of each video, int64 `[B]`."""
    return x.new_full((len(x),), x.shape[1]).long() if mask is None else mask.sum(1)


def build(run: RunSettings, dims: Mapping[str, int], num_classes: int) -> ACN:
    """Return the untrained network of a run; `dims` gives each stream's width."""
    if len(run.streams) != 1:
        raise WstalError(
            f"acn trains one stream, the config names {len(run.streams)}: {list(run.streams)}; "
            "its streams are joined by `fuse_from`"
        )
    stream = run.streams[0]
    return ACN(stream, num_classes, dims[stream], run.model)


def prepare(network: ACN, videos: TrainingVideos, run: RunSettings) -> None:
    """Keep how the attention is distributed over the snippets of the training videos.

    The paper's thresholds (5 and 7) only make sense for its own attention; a quantile on training
    videos [R] carries over, and uses no test video.
    """
    name = f"attention_{network.stream}"
    if name not in videos.upstream_rows:
        raise WstalError(f"acn finds no {name} upstream; set scores_from: untrimmednet")
    values = videos.upstream_rows[name].double().sort().values
    shares = torch.linspace(0, 1, QUANTILES, dtype=torch.float64, device=values.device)
    # Not torch.quantile, which refuses more than 2^24 values.
    places = (shares * (len(values) - 1)).round().long()
    network.training_quantiles.copy_(values[places])
