"""CAVF: cross-attentional audio-visual fusion (Lee et al., ICLR 2021).

Audio and picture attend to each other in stages, an open-max classifier reads their
concatenation. There is no public code: what the paper leaves open is resolved here, each
resolution a switch (docs/cavf.md tells why).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from wstal.base.errors import WstalError
from wstal.layers.layers import Dropout
from wstal.losses.coactivity import coactivity_loss
from wstal.losses.mil import background_only, probability_loss, snippets_kept, video_logits
from wstal.methods.cavf.loss import (
    active_share,
    agreed_class,
    continuity_loss,
    gaussian,
    pseudo_loss,
    uniform,
)
from wstal.methods.contract import Batch, Output

# FOLDED Cross-attention of two sequences: each is gathered by what it has in common with the other.
# FOLDED
# FOLDED CAVF (Lee et al., ICLR 2021), section 3.2. Sequences are time-major, `[B, T, D]`, where the paper
# FOLDED writes columns.

SKIPS = ("none", "prev", "dense")
# A snippet without sound may be embedded as zeros, where the gradient of a unit vector is
# 1 / epsilon: the usual 1e-12 would be all that Adam ever sees of such a layer.
EPSILON = 1e-3


class CrossAttention(nn.Module):
    """One stage: audio `[B, T, D_u]` and visual `[B, T, D_v]`, each attended, widths kept.

    `scale` multiplies the correlation. differs from paper, where it is 1: with unit vectors of
    1024 channels and Xavier's weights a correlation spreads by 0.03, so that attention starts
    out uniform to within 14 % and the weights have to grow before it is any more than that.
    """

    def __init__(self, audio_width: int, visual_width: int, scale: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(visual_width, audio_width))  # W, transposed
        self.scale = scale
        nn.init.xavier_uniform_(self.weight)

    def forward(
        self, audio: Tensor, visual: Tensor, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Attended audio and visual sequences; `mask` `[B, T]` is true where nothing is padded."""
        to_audio, to_visual = self.attention(audio, visual, mask)
        # Eq. 2: X A; column j of A gathers snippets i for snippet j.
        return to_audio.mT @ audio, to_visual.mT @ visual

    def attention(
        self, audio: Tensor, visual: Tensor, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """A_u and A_v `[B, T, T]`: every column sums to 1, rows of padding are 0."""
        projected = functional.linear(_unit(audio), self.weight)
        correlation = self.scale * projected @ _unit(visual).mT  # Eq. 1, rows audio
        both = correlation, correlation.mT
        if mask is not None:
            both = tuple(c.masked_fill(~mask[:, :, None], -torch.inf) for c in both)
        return both[0].softmax(1), both[1].softmax(1)


def _unit(x: Tensor) -> Tensor:
    return functional.normalize(x, dim=-1, eps=EPSILON)


class CrossAttentionStages(nn.Module):
    """`stages` cross-attentions in a row, each with its own weight and `skip` connections.

    `dense` adds the outputs of all earlier stages (the embeddings are the stage before the
    first), `prev` that of the last alone, `none` nothing. Eq. 3 may be read with the attended
    sequence inside the sum, t times at stage t; it is taken once.
    """

    def __init__(
        self, audio_width: int, visual_width: int, stages: int, skip: str, scale: float = 1.0
    ) -> None:
        super().__init__()
        if skip not in SKIPS:
            raise WstalError(f"skip {skip!r} is not one of {', '.join(SKIPS)}")
        self.skip = skip
        self.stages = nn.ModuleList(
            CrossAttention(audio_width, visual_width, scale) for _ in range(stages)
        )

    def forward(
        self, audio: Tensor, visual: Tensor, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Both sequences after the last stage, each of its own width."""
        history = [(audio, visual)]
        for stage in self.stages:
            attended = stage(*history[-1], mask)
            kept = {"none": [], "prev": history[-1:], "dense": history}[self.skip]
            audio, visual = (
                torch.tanh(sum((earlier[m] for earlier in kept), attended[m])) for m in (0, 1)
            )  # Eq. 3
            history.append((audio, visual))
        return history[-1]


# FOLDED Classifiers of snippets: background as the open rest, or as one class among others.


class Classified(NamedTuple):
    """What a classifier says of each snippet; background is last."""

    probabilities: Tensor  # [B, T, C+1], sums to 1
    foreground: Tensor  # [B, T], 1 - the background's probability
    class_logits: Tensor  # [B, T, C], of the action classes


class OpenMax(nn.Module):
    """CAVF, section 3.3: is it any class (mu), and if so which (p_ac)?

    mu p_ac over the classes and 1 - mu for the background: no class stands for background, it
    is where none of the others is.
    """

    def __init__(self, width: int, num_classes: int) -> None:
        super().__init__()
        self.classes = nn.Linear(width, num_classes)
        self.foreground = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Classified:
        """`[B, T, D] -> Classified`."""
        logits = self.classes(x)
        foreground = self.foreground(x).sigmoid()  # mu
        probabilities = torch.cat([foreground * logits.softmax(-1), 1 - foreground], -1)
        return Classified(probabilities, foreground.squeeze(-1), logits)


class SoftMax(nn.Module):
    """CAVF's comparison (rows S-0 and S-I): one softmax over classes and background."""

    def __init__(self, width: int, num_classes: int) -> None:
        super().__init__()
        self.classes = nn.Linear(width, num_classes + 1)

    def forward(self, x: Tensor) -> Classified:
        """`[B, T, D] -> Classified`."""
        logits = self.classes(x)
        probabilities = logits.softmax(-1)
        return Classified(probabilities, 1 - probabilities[..., -1], logits[..., :-1])


def build_classifier(name: str, width: int, num_classes: int) -> nn.Module:
    """The classifier called `name`; raises WstalError for an unknown name."""
    kinds = {"openmax": OpenMax, "softmax": SoftMax}
    if name not in kinds:
        raise WstalError(f"classifier {name!r} is not one of {', '.join(kinds)}")
    return kinds[name](width, num_classes)


SLOPE = 0.01  # of the embeddings' leaky ReLU: the paper names none, so the usual one
MODALITIES = ("av", "audio", "visual")


class CAVF(nn.Module):
    """CAVF on `[B, T, D]`, the streams of widths `dims` side by side.

    `audio` is the index of the audio stream (None: there is none), the others together are the
    visual modality. `modality` is av, or audio or visual alone: one embedding, no attention.
    The first `frozen` stages and the embeddings below them are not trained.
    """

    activation = "probability"

    def __init__(
        self,
        num_classes: int,
        dims: Sequence[int],
        audio: int | None = 0,
        *,
        modality: str = "av",
        audio_width: int = 1024,
        visual_width: int = 1024,
        stages: int = 2,
        skip: str = "dense",
        freeze_stages: int = 0,
        attention_scale: float = 1.0,
        classifier: str = "openmax",
        dropout: float = 0.7,
    ) -> None:
        super().__init__()
        _check(modality, audio, len(dims), stages, freeze_stages)
        self.dims, self.audio = list(dims), audio
        audio_dim = 0 if audio is None else dims[audio]
        given = {"audio": audio_dim, "visual": sum(dims) - audio_dim}
        widths = {"audio": audio_width, "visual": visual_width}
        self.modalities = ["audio", "visual"] if modality == "av" else [modality]
        self.embeddings = nn.ModuleDict(
            {name: _Embedding(given[name], widths[name]) for name in self.modalities}
        )
        if modality == "av":
            self.fusion = CrossAttentionStages(
                audio_width, visual_width, stages, skip, attention_scale
            )
        width = sum(widths[name] for name in self.modalities)
        self.dropout = Dropout(dropout)
        self.classifier = build_classifier(classifier, width, num_classes)
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)
            else:
                nn.init.xavier_uniform_(parameter)
        if freeze_stages:
            self.embeddings.requires_grad_(False)
            self.fusion.stages[:freeze_stages].requires_grad_(False)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Output:
        """`[B, T, D]` -> Output: probabilities, mu as attention, class logits h in extra."""
        streams = list(x.split(self.dims, -1))
        parts = {} if self.audio is None else {"audio": streams.pop(self.audio)}
        if streams:
            parts["visual"] = torch.cat(streams, -1)
        fused = [self.embeddings[name](parts[name]) for name in self.modalities]  # X_u, X_v
        if len(fused) == 2:
            fused = self.fusion(*fused, mask)
        features = self.dropout(torch.cat(list(fused), -1))  # X_att, Eq. 4
        found = self.classifier(features)
        return Output(
            found.probabilities, found.foreground, features, {"class_logits": found.class_logits}
        )


class _Embedding(nn.Sequential):
    """A fully connected layer and a leaky ReLU, `[B, T, D] -> [B, T, E]`."""

    def __init__(self, dim: int, width: int) -> None:
        super().__init__(nn.Linear(dim, width), nn.LeakyReLU(SLOPE))


def _check(modality: str, audio: int | None, streams: int, stages: int, frozen: int) -> None:
    if modality not in MODALITIES:
        raise WstalError(f"modality {modality!r} is not one of {', '.join(MODALITIES)}")
    if modality != "visual" and audio is None:
        raise WstalError(
            f"modality {modality} needs an audio stream, and `streams` has none of the name that "
            "`audio` says; on features without sound run cavf-visual_only"
        )
    if modality != "audio" and streams == (audio is not None):
        raise WstalError(f"modality {modality} needs a stream beside audio in `streams`")
    if frozen > (stages if modality == "av" else 0):
        raise WstalError(f"freeze_stages {frozen}: there are {stages} stages, modality {modality}")


def build(config: Mapping[str, Any], dims: Mapping[str, int], num_classes: int) -> CAVF:
    """The model of a resolved run config; `dims` gives each stream's width."""
    streams = list(config["streams"])
    audio = streams.index(config["audio"]) if config["audio"] in streams else None
    return CAVF(num_classes, [dims[name] for name in streams], audio, **config["model"])


def loss(
    output: Output, batch: Batch, config: Mapping[str, Any]
) -> tuple[Tensor, dict[str, Tensor]]:
    """Weighted total and the unweighted terms; a term of weight 0 is not computed.

    `pseudo_active`, the share of snippets that the pseudo localization would act on, is always
    among the terms and never in the total.
    """
    settings, labels, mask = config["loss"], batch.labels, batch.mask
    weights, p = settings["weights"], output.cas
    window = settings["continuity"]
    near = settings["pseudo"]
    agreed = agreed_class(p, uniform(near["neighbours"]), near["threshold"], mask)
    compute = {
        "mil": lambda: classification_loss(p, labels, settings, mask),
        "coactivity": lambda: coactivity_loss(
            output.features, output.extra["class_logits"], labels, batch.pairs, mask=mask
        ),
        "continuity": lambda: continuity_loss(
            output.attention,
            p,
            labels,
            gaussian(window["neighbours"], window["sigma"], normalize=window["normalize"]),
            mask,
        ),
        "pseudo": lambda: pseudo_loss(p, *agreed, mask),
    }
    terms = {name: compute[name]() for name, weight in weights.items() if weight}
    total = sum(weights[name] * term for name, term in terms.items())
    return total, terms | {"pseudo_active": active_share(agreed[1], mask)}


def classification_loss(
    probabilities: Tensor, labels: Tensor, settings: Mapping[str, Any], mask: Tensor | None = None
) -> Tensor:
    """Cross-entropy of each class's k strongest snippets' mean probability, background included.

    The paper has no formula for it. A video of background alone has that one target; beside the
    classes of any other, background has the weight `mil_background`: 0 (two thirds of AVE's
    clips show nothing but their event) to 1, as much as a class.
    """
    background = background_only(labels).clamp_min(settings["mil_background"])
    k = snippets_kept(probabilities.shape[1], settings["topk"], mask, round_up=True)
    video = video_logits(probabilities, k, mask)
    return probability_loss(video, torch.cat([labels, background], 1))
