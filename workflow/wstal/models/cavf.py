"""CAVF: cross-attentional audio-visual fusion (Lee et al., ICLR 2021).

Audio and picture attend to each other in stages, an open-max classifier reads their
concatenation. There is no public code: what the paper leaves open is resolved here, each
resolution a switch (docs/cavf.md tells why).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from wstal.data.batch import Batch
from wstal.errors import WstalError
from wstal.losses.coactivity import coactivity_loss
from wstal.losses.continuity import continuity_loss
from wstal.losses.mil import background_only, probability_loss, snippets_kept, video_logits
from wstal.losses.pseudo import active_share, agreed_class, pseudo_loss
from wstal.losses.window import gaussian, uniform
from wstal.models.cross_attention import CrossAttentionStages
from wstal.models.dropout import Dropout
from wstal.models.openmax import build_classifier
from wstal.models.output import Output

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
