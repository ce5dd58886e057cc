"""CO2-Net: cross-modal consensus network (Hong et al., ACM MM 2021).

Two streams gate each other's channels (CCM), each has an attention over time, a classifier
reads their fusion. Where the paper and the official code (commit e879687) differ, the code is
the default and the paper a switch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from wstal.base.errors import WstalError
from wstal.layers.layers import (
    SLOPE,
    AttentionUnit,
    Dropout,
    TemporalConv,
    average_over_time,
    linear_as_centre_tap,
)
from wstal.losses.coactivity import coactivity_loss
from wstal.losses.mil import mil_loss, snippets_kept, suppress
from wstal.losses.opposite import opposite_loss
from wstal.methods.co2net.loss import mutual_loss, norm_loss
from wstal.methods.contract import Batch

# FOLDED Ways to join two feature streams before attention and classification.
# FOLDED
# FOLDED CO2-Net's cross-modal consensus module and the alternatives of its Table 6. Each takes the two
# FOLDED streams and returns them as the attention units see them, and joined as the classifier does.

SCOPES = ("global", "local")
REDUCTION = 16  # bottleneck of SSMA and squeeze-and-excitation in their papers


class Fused(NamedTuple):
    """The streams after fusion."""

    rgb: Tensor  # [B, T, D_rgb], input of that stream's attention unit
    flow: Tensor  # [B, T, D_flow]
    joint: Tensor  # [B, T, joint width]


class Descriptor(nn.Module):
    """What one stream says about each channel: of the whole video, or of each snippet.

    differs from paper: leaky ReLU and dropout are in the official code, not in Eq. 1-2;
    `bare=True` leaves them out.
    """

    def __init__(self, channels: int, out_channels: int, scope: str, *, bare: bool = False) -> None:
        super().__init__()
        if scope not in SCOPES:
            raise WstalError(f"descriptor scope {scope!r} is not one of {', '.join(SCOPES)}")
        self.scope = scope
        make = linear_as_centre_tap if scope == "global" else TemporalConv
        self.project = make(channels, out_channels)
        self.after = nn.Identity() if bare else nn.Sequential(nn.LeakyReLU(SLOPE), Dropout(0.5))

    def forward(self, x: Tensor) -> Tensor:
        """`[B, T, D] -> [B, 1, E]` (global) or `[B, T, E]` (local)."""
        if self.scope == "global":
            x = x.mean(1, keepdim=True)
        return self.after(self.project(x))


class CrossModalConsensus(nn.Module):
    """CCM (CO2-Net, section 3.2): the main stream, its channels gated by what both streams say.

    Dropout falls on both descriptors before their product, so in training three quarters of
    the gate stand at 0.5.
    """

    def __init__(
        self, dim: int, aux_dim: int, main: str = "global", aux: str = "local", *, bare: bool
    ) -> None:
        super().__init__()
        self.main = Descriptor(dim, dim, main, bare=bare)  # M_G, Eq. 1
        self.aux = Descriptor(aux_dim, dim, aux, bare=bare)  # M_L, Eq. 2

    def forward(self, main: Tensor, aux: Tensor) -> Tensor:
        """`[B, T, D], [B, T, D_aux] -> [B, T, D]`."""
        return torch.sigmoid(self.main(main) * self.aux(aux)) * main


class ConsensusFusion(nn.Module):
    """A CCM per stream, each the other's auxiliary."""

    def __init__(
        self, dims: tuple[int, int], main: str = "global", aux: str = "local", *, bare: bool = False
    ) -> None:
        super().__init__()
        rgb, flow = dims
        self.rgb = CrossModalConsensus(rgb, flow, main, aux, bare=bare)
        self.flow = CrossModalConsensus(flow, rgb, main, aux, bare=bare)
        self.joint_dim = rgb + flow

    def forward(self, rgb: Tensor, flow: Tensor) -> Fused:
        """`[B, T, D_rgb], [B, T, D_flow]`."""
        enhanced = self.rgb(rgb, flow), self.flow(flow, rgb)
        return Fused(*enhanced, torch.cat(enhanced, -1))


class AddFusion(nn.Module):
    """The sum of the streams."""

    def __init__(self, dims: tuple[int, int]) -> None:
        super().__init__()
        if dims[0] != dims[1]:
            raise WstalError(
                f"fusion add needs streams of equal width, got {dims[0]} and {dims[1]}"
            )
        self.joint_dim = dims[0]

    def forward(self, rgb: Tensor, flow: Tensor) -> Fused:
        """`[B, T, D], [B, T, D]`."""
        return Fused(rgb, flow, rgb + flow)


class ConcatFusion(nn.Module):
    """The streams side by side, as they are."""

    def __init__(self, dims: tuple[int, int]) -> None:
        super().__init__()
        self.joint_dim = sum(dims)

    def forward(self, rgb: Tensor, flow: Tensor) -> Fused:
        """`[B, T, D_rgb], [B, T, D_flow]`."""
        return Fused(rgb, flow, torch.cat((rgb, flow), -1))


class SSMAFusion(nn.Module):
    """Self-supervised model adaptation (Valada et al. 2019, section 4.2), over time.

    A bottleneck of two convolutions gates every channel of the joined streams at every
    position; a third convolution with batch normalization brings them to one stream's width.
    """

    def __init__(self, dims: tuple[int, int]) -> None:
        super().__init__()
        self.dims, both = list(dims), sum(dims)
        self.joint_dim = max(dims)
        bottleneck = max(1, both // REDUCTION)
        self.gate = nn.Sequential(
            TemporalConv(both, bottleneck), nn.ReLU(), TemporalConv(bottleneck, both), nn.Sigmoid()
        )
        self.project = TemporalConv(both, self.joint_dim)
        self.norm = nn.BatchNorm1d(self.joint_dim)

    def forward(self, rgb: Tensor, flow: Tensor) -> Fused:
        """`[B, T, D_rgb], [B, T, D_flow]`."""
        both = torch.cat((rgb, flow), -1)
        both = both * self.gate(both)
        joint = self.project(both)
        joint = self.norm(joint.flatten(0, 1)).view_as(joint)
        return Fused(*both.split(self.dims, -1), joint)


class SEFusion(nn.Module):
    """Squeeze-and-excitation (Hu et al. 2018) on the joined streams: a gate per channel."""

    def __init__(self, dims: tuple[int, int]) -> None:
        super().__init__()
        self.dims, self.joint_dim = list(dims), sum(dims)
        bottleneck = max(1, self.joint_dim // REDUCTION)
        self.gate = nn.Sequential(
            TemporalConv(self.joint_dim, bottleneck, kernel=1),
            nn.ReLU(),
            TemporalConv(bottleneck, self.joint_dim, kernel=1),
            nn.Sigmoid(),
        )

    def forward(self, rgb: Tensor, flow: Tensor) -> Fused:
        """`[B, T, D_rgb], [B, T, D_flow]`."""
        both = torch.cat((rgb, flow), -1)
        both = both * self.gate(both.mean(1, keepdim=True))
        return Fused(*both.split(self.dims, -1), both)


def build_fusion(
    name: str,
    dims: tuple[int, int],
    *,
    main: str = "global",
    aux: str = "local",
    bare: bool = False,
) -> nn.Module:
    """The fusion called `name`; raises WstalError for an unknown name."""
    if name == "ccm":
        return ConsensusFusion(dims, main, aux, bare=bare)
    others = {"add": AddFusion, "concat": ConcatFusion, "ssma": SSMAFusion, "se": SEFusion}
    if name not in others:
        raise WstalError(f"fusion {name!r} is not one of ccm, {', '.join(others)}")
    return others[name](dims)


class CO2Output(NamedTuple):
    """The model's output; `logits` is the class activation sequence, background last."""

    logits: Tensor  # [B, T, C+1]
    attention: Tensor  # [B, T], mean of the streams'
    attention_rgb: Tensor  # [B, T]
    attention_flow: Tensor  # [B, T]
    features: Tensor  # [B, T, D], fused, after activation and dropout
    extra: dict[str, Tensor] = {}

    @property
    def cas(self) -> Tensor:
        """The class activation sequence under the name all methods share."""
        return self.logits


class CO2Net(nn.Module):
    """CO2-Net on `[B, T, D_rgb + D_flow]`, RGB first.

    `dims` are the widths of the two streams, `width` that of the fused features (default:
    their sum), `attention_width` that of the attention units (default: half of their stream).
    `pool_kernel > 1` is the ActivityNet variant: logits and attentions are averaged over that
    many snippets. `attention=False` leaves the attention units out (attention is 1).
    """

    activation = "logits"

    def __init__(
        self,
        num_classes: int,
        dims: tuple[int, int] = (1024, 1024),
        *,
        width: int | None = None,
        attention_width: int | None = None,
        fusion: str = "ccm",
        main: str = "global",
        aux: str = "local",
        bare_descriptors: bool = False,
        attention: bool = True,
        attention_dropout: float = 0.5,
        logit_dropout: float = 0.5,
        dropout: float = 0.7,
        pool_kernel: int = 1,
    ) -> None:
        super().__init__()
        if pool_kernel % 2 == 0:
            raise WstalError(f"pool_kernel {pool_kernel} is even; an average needs a centre")
        self.dims, self.pool_kernel = list(dims), pool_kernel
        width = width or sum(dims)
        self.fusion = build_fusion(fusion, dims, main=main, aux=aux, bare=bare_descriptors)
        if attention:
            self.attention_rgb, self.attention_flow = (
                AttentionUnit(
                    dim,
                    attention_width or dim // 2,
                    dropout=attention_dropout,
                    logit_dropout=logit_dropout,
                )
                for dim in dims
            )
        self.has_attention = attention
        self.joint = nn.Sequential(
            TemporalConv(self.fusion.joint_dim, width, kernel=1),
            nn.LeakyReLU(SLOPE),
            Dropout(dropout),
        )
        self.classifier = nn.Sequential(
            Dropout(dropout),
            TemporalConv(width, width),
            nn.LeakyReLU(SLOPE),
            Dropout(dropout),
            TemporalConv(width, num_classes + 1, kernel=1),
        )

    def forward(self, x: Tensor) -> CO2Output:
        """`[B, T, D_rgb + D_flow]` -> CO2Output."""
        fused = self.fusion(*x.split(self.dims, -1))
        features = self.joint(fused.joint)
        logits = self.classifier(features)
        if self.has_attention:
            rgb, flow = self.attention_rgb(fused.rgb), self.attention_flow(fused.flow)
        else:
            rgb = flow = x.new_ones(x.shape[:2])
        both = (rgb + flow) / 2
        pooled = (average_over_time(y, self.pool_kernel) for y in (logits, both, rgb, flow))
        return CO2Output(*pooled, features)

    @classmethod
    def from_official(
        cls, state_dict: Mapping[str, Tensor], num_classes: int, pool_kernel: int = 1
    ) -> CO2Net:
        """The model that a checkpoint of the official code holds, whatever its key order.

        Its never called `feat_encoder` and the outer taps of the global descriptors, which only
        ever meet padding, are left behind. Raises WstalError naming missing or unknown keys, or
        tensors of shapes that the code's own widths do not give.
        """
        given = {name.removeprefix("module."): value for name, value in state_dict.items()}
        given = {n: v for n, v in given.items() if not n.startswith("feat_encoder.")}
        names = official_names()
        missing, unknown = sorted(set(names) - set(given)), sorted(set(given) - set(names))
        if missing or unknown:
            raise WstalError(
                f"not a checkpoint of the official CO2 model: missing {missing}, unknown {unknown}"
            )
        if (rows := given["classifier.4.weight"].shape[0]) != num_classes + 1:
            raise WstalError(f"the checkpoint scores {rows - 1} classes, not {num_classes}")
        dims = tuple(given[f"{s}.attention.0.weight"].shape[1] for s in ("vAttn", "fAttn"))
        model = cls(num_classes, dims, pool_kernel=pool_kernel)
        ours = {names[name]: _tap_major(value) for name, value in given.items()}
        for stream in ("rgb", "flow"):
            key = f"fusion.{stream}.main.project.weight"
            ours[key] = ours[key][1:2]
        for official, name in names.items():
            found, wanted = tuple(ours[name].shape), tuple(model.get_parameter(name).shape)
            if found != wanted:
                raise WstalError(
                    f"{official} has the shape {found} (taps first), streams of widths {dims} "
                    f"need {wanted}; only attention and fusion of the code's own widths are read"
                )
        model.load_state_dict(ours)
        return model


def official_names() -> dict[str, str]:
    """Parameter names of the official code -> ours."""
    blocks = {"fusion.0": "joint.0", "classifier.1": "classifier.1", "classifier.4": "classifier.4"}
    for theirs, stream in (("vAttn", "rgb"), ("fAttn", "flow")):
        blocks[f"{theirs}.channel_conv.0"] = f"fusion.{stream}.main.project"
        blocks[f"{theirs}.bit_wise_attn.0"] = f"fusion.{stream}.aux.project"
        for layer in (0, 3, 5):
            blocks[f"{theirs}.attention.{layer}"] = f"attention_{stream}.layers.{layer}"
    kinds = ("weight", "bias")
    return {f"{theirs}.{k}": f"{ours}.{k}" for theirs, ours in blocks.items() for k in kinds}


def _tap_major(value: Tensor) -> Tensor:
    """`[E, D, kernel] -> [kernel, E, D]`; a bias stays as it is."""
    return value.permute(2, 0, 1).contiguous() if value.dim() == 3 else value


def build(config: Mapping[str, Any], dims: Mapping[str, int], num_classes: int) -> CO2Net:
    """The model of a resolved run config; `dims` gives each stream's width.

    It joins two modalities: the last stream is one, all before it together are the other.
    """
    *first, last = config["streams"]
    if not first:
        raise WstalError(f"co2net joins two streams, the config names {config['streams']}")
    widths = sum(dims[name] for name in first), dims[last]
    model = CO2Net(num_classes, widths, **config["model"])
    model.attention_names = {"rgb": "+".join(first), "flow": last}
    return model


def loss(
    output: CO2Output, batch: Batch, config: Mapping[str, Any]
) -> tuple[Tensor, dict[str, Tensor]]:
    """Weighted total and the unweighted terms; a term of weight 0 is not computed."""
    settings, labels, logits = config["loss"], batch.labels, output.logits
    weights = settings["weights"]
    attentions = torch.stack([output.attention, output.attention_rgb, output.attention_flow])
    suppressed = suppress(logits, output.attention, settings["suppression"])
    k = snippets_kept(logits.shape[1], settings["topk"])
    compute = {
        "mil_orig": lambda: mil_loss(logits, labels, k, background=1.0),
        "mil_supp": lambda: mil_loss(suppressed, labels, k, background=0.0),
        "coactivity": lambda: coactivity_loss(output.features, suppressed, labels, batch.pairs),
        "mutual": lambda: mutual_loss(*attentions[1:], settings["mutual"]),
        "norm": lambda: norm_loss(attentions, settings["norm"]),
        "guide": lambda: opposite_loss(attentions, logits),
    }
    terms = {name: compute[name]() for name, weight in weights.items() if weight}
    total = sum(weights[name] * term for name, term in terms.items())
    return total, terms
