"""CAVF's network: audio and picture attend to each other in stages, then are classified.

An open-max classifier reads their concatenation. The authors published no code: "paper" is what
the paper states, "open" marks what it leaves open and is resolved here (docs/cavf.md gives the
reasons), "W-TALC" is what that method's code does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple

import torch
from annotated_types import Ge
from torch import Tensor, nn
from torch.nn import functional

from wstal.base.errors import WstalError
from wstal.base.settings import Count, DropoutRate, Positive, SettingsError
from wstal.layers.sampling import at_snippets, uniform_snippets
from wstal.layers.temporal import Dropout
from wstal.methods import contract
from wstal.methods.contract import Output

SLOPE = 0.01  # of the embeddings' leaky ReLU: the paper names none, so the usual one
# A snippet without sound may be embedded as zeros, where the gradient of a unit vector is
# 1 / epsilon: with the usual 1e-12 Adam sees nothing else of such a layer.
EPSILON = 1e-3


@dataclass(frozen=True)
class NetworkSettings:
    """The `model` section: the network."""

    modality: Literal["av", "audio", "visual"] = "av"  # both modalities, or one alone (Table 1)
    audio_width: Count = 1024  # d_xu, of the embedded audio; each modality has its own (Table 8)
    visual_width: Count = 1024  # d_xv, of the embedded visual modality
    # Stages of cross-attention, 0 to 3 in Table 1; 0: the embeddings side by side.
    stages: Annotated[int, Ge(0)] = 2
    # What a stage adds: nothing, the output of the stage before, of all before (Tables 3 and 7).
    skip: Literal["none", "prev", "dense"] = "dense"
    # The first so many stages, and the embeddings, keep the weights of init_from (Table 7).
    freeze_stages: Annotated[int, Ge(0)] = 0
    # What "l2-normalized" in Eq. 1 means (open; chosen on validation, docs/cavf.md). every: what
    # enters a stage, in each | once: the embeddings, before the first stage (the code of another
    # paper has one stage and does so) | inside: copies, in Eq. 1 alone.
    normalize: Literal["every", "once", "inside"] = "every"
    # Factor of the correlation inside the softmax (paper: 1).
    attention_scale: Positive = 1.0
    # Background as the open rest, or as one class among others (Tables 2 and 10).
    classifier: Literal["openmax", "softmax"] = "openmax"
    # Before the classifier (paper), and before the features that are compared (W-TALC).
    dropout: DropoutRate = 0.7
    # Outside training a video is read at so many snippets of a uniform grid, and the outputs are
    # put back on its own; null: at every snippet. A softmax over more snippets than in training
    # is flatter (open).
    test_length: Annotated[int, Ge(2)] | None = None

    def __post_init__(self) -> None:
        if self.freeze_stages > (self.stages if self.modality == "av" else 0):
            raise SettingsError(
                f"freeze_stages is {self.freeze_stages}, but with modality {self.modality} there "
                f"are {self.stages if self.modality == 'av' else 0} stages"
            )


@dataclass(frozen=True)
class RunSettings(contract.RunSettings):
    """The top level of a CAVF run's config."""

    # All but the audio stream together are the visual modality.
    streams: contract.Streams = ("audio", "rgb", "flow")
    audio: str = "audio"  # which of the streams is the audio modality
    model: NetworkSettings = NetworkSettings()


class CAVF(nn.Module):
    """CAVF on `[B, T, D]`, the streams of widths `dims` side by side.

    `audio` is the index of the audio stream (None: there is none), the others together are the
    visual modality. One modality alone has one embedding and no attention. Frozen stages and the
    embeddings below them are not trained.
    """

    def __init__(
        self, num_classes: int, dims: Sequence[int], audio: int | None, settings: NetworkSettings
    ) -> None:
        super().__init__()
        _check_streams(settings.modality, audio, len(dims))
        self.dims, self.audio, self.test_length = list(dims), audio, settings.test_length
        audio_dim = 0 if audio is None else dims[audio]
        given = {"audio": audio_dim, "visual": sum(dims) - audio_dim}
        widths = {"audio": settings.audio_width, "visual": settings.visual_width}
        both = settings.modality == "av"
        self.modalities = ["audio", "visual"] if both else [settings.modality]
        self.embeddings = nn.ModuleDict(
            {name: _Embedding(given[name], widths[name]) for name in self.modalities}
        )
        if both:
            self.fusion = CrossAttentionStages(settings)
        width = sum(widths[name] for name in self.modalities)
        self.dropout = Dropout(settings.dropout)
        self.classifier = CLASSIFIERS[settings.classifier](width, num_classes)
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)
            else:
                nn.init.xavier_uniform_(parameter)
        if settings.freeze_stages:
            self.embeddings.requires_grad_(False)
            self.fusion.stages[: settings.freeze_stages].requires_grad_(False)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Output:
        """`[B, T, D]` -> Output, of a sample of `test_length` snippets when not training."""
        if self.training or self.test_length is None:
            return self.read(x, mask)
        index = uniform_snippets(x.shape[1], self.test_length, x.device)
        fields = self.read(x[:, index])._asdict()
        fields |= fields.pop("extra")
        cas, attention, features, logits = (
            at_snippets(value, index, x.shape[1]) for value in fields.values()
        )
        return Output(cas, attention, features, {"class_logits": logits})

    def read(self, x: Tensor, mask: Tensor | None = None) -> Output:
        """Probabilities, mu as attention, class logits h in extra, for `[B, T, D]`."""
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


# Cross-attention of two sequences (section 3.2). Sequences are time-major, `[B, T, D]`, where the
# paper writes columns.


class CrossAttentionStages(nn.Module):
    """Cross-attentions in a row, each with its own weight and `skip` connections.

    `dense` adds the outputs of all earlier stages (the embeddings are the stage before the
    first), `prev` that of the last alone, `none` nothing. Eq. 3 may be read with the attended
    sequence inside the sum, t times at stage t; it is taken once. `normalize` says which
    sequences have unit vectors: the embeddings (`once`), what enters any stage (`every`), or
    copies in Eq. 1 alone (`inside`).
    """

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        self.skip, self.normalize = settings.skip, settings.normalize
        widths, scale = (settings.audio_width, settings.visual_width), settings.attention_scale
        self.stages = nn.ModuleList(
            CrossAttention(*widths, scale, unit_copies=self.normalize == "inside")
            for _ in range(settings.stages)
        )

    def forward(
        self, audio: Tensor, visual: Tensor, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Both sequences after the last stage, each of its own width."""
        history = [(audio, visual)]
        for number, stage in enumerate(self.stages):
            if self.normalize == "every" or (self.normalize == "once" and number == 0):
                history[-1] = (_unit(audio), _unit(visual))
            attended = stage(*history[-1], mask)
            kept = {"none": [], "prev": history[-1:], "dense": history}[self.skip]
            audio, visual = (
                torch.tanh(sum((earlier[m] for earlier in kept), attended[m])) for m in (0, 1)
            )  # Eq. 3
            history.append((audio, visual))
        return history[-1]


class CrossAttention(nn.Module):
    """One stage: audio `[B, T, D_u]` and visual `[B, T, D_v]`, each attended, widths kept.

    `scale` multiplies the correlation (paper: 1). With unit vectors of 1024 channels and Xavier's
    weights a correlation spreads by 0.03, so that attention starts out uniform to within 14 %.
    With `unit_copies` Eq. 1 reads the sequences as unit vectors, and Eq. 2 as they are.
    """

    def __init__(
        self, audio_width: int, visual_width: int, scale: float, *, unit_copies: bool
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(visual_width, audio_width))  # W, transposed
        self.scale, self.unit_copies = scale, unit_copies
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
        if self.unit_copies:
            audio, visual = _unit(audio), _unit(visual)
        projected = functional.linear(audio, self.weight)
        correlation = self.scale * projected @ visual.mT  # Eq. 1, rows audio
        both = correlation, correlation.mT
        if mask is not None:
            both = tuple(c.masked_fill(~mask[:, :, None], -torch.inf) for c in both)
        return both[0].softmax(1), both[1].softmax(1)


def _unit(x: Tensor) -> Tensor:
    return functional.normalize(x, dim=-1, eps=EPSILON)


class Classified(NamedTuple):
    """A classifier's outputs for each snippet; background is last."""

    probabilities: Tensor  # [B, T, C+1], sums to 1
    foreground: Tensor  # [B, T], 1 - the background's probability
    class_logits: Tensor  # [B, T, C], of the action classes


class OpenMax(nn.Module):
    """CAVF, section 3.3: is it any class (mu), and if so which (p_ac)?

    mu p_ac over the classes and 1 - mu for the background: background is not a class, it is where
    none of the classes is.
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


CLASSIFIERS = {"openmax": OpenMax, "softmax": SoftMax}


def _check_streams(modality: str, audio: int | None, streams: int) -> None:
    if modality != "visual" and audio is None:
        raise WstalError(
            f"modality {modality} needs an audio stream, and `streams` has none of the name that "
            "`audio` gives; on features without sound run cavf-visual_only"
        )
    if modality != "audio" and streams == (audio is not None):
        raise WstalError(f"modality {modality} needs a stream beside audio in `streams`")


def build(run: RunSettings, dims: Mapping[str, int], num_classes: int) -> CAVF:
    """Return the untrained network of a run; `dims` gives each stream's width."""
    audio = run.streams.index(run.audio) if run.audio in run.streams else None
    return CAVF(num_classes, [dims[name] for name in run.streams], audio, run.model)
