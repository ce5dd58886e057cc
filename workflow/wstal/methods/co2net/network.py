"""CO2-Net's network: two streams gate each other's channels, attend over time, are classified.

The cross-modal consensus module (CCM) gates the channels of each stream by what both streams
contain; each gated stream has an attention over time; a classifier reads their fusion. "Code" is
the official implementation, commit e879687. Where it and the paper differ, the code is the default
and the paper's reading is a setting.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple

import torch
from annotated_types import MinLen
from torch import Tensor, nn
from torch.nn import functional

from wstal.base.errors import WstalError
from wstal.base.settings import Count, DropoutRate, SettingsError
from wstal.layers.temporal import Dropout, TemporalConv, he_bound
from wstal.methods import contract

SLOPE = 0.2  # of every leaky ReLU of the HAM-Net family


class AttentionUnit(nn.Module):
    """Three convolutions and a sigmoid: foreground attention `[B, T]` of a sequence `[B, T, D]`.

    differs from paper: section 3.2 speaks of two convolutions, sections 3.4 and 4.2 and the
    official code of three; dropout is 0.5 there (paper: 0.7, `dropout`) and also falls on the
    logit, so that in training half of the snippets have an attention of exactly 0.5.
    `logit_dropout=0` switches that off.
    """

    def __init__(self, channels: int, hidden: int, *, dropout: float, logit_dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            TemporalConv(channels, hidden),
            nn.LeakyReLU(SLOPE),
            Dropout(dropout),
            TemporalConv(hidden, hidden),
            nn.LeakyReLU(SLOPE),
            TemporalConv(hidden, 1, kernel=1),
            Dropout(logit_dropout),
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """`[B, T, D]` -> attention `[B, T]`, and what it is without dropout on the logit."""
        *hidden, drop = self.layers
        for layer in hidden:
            x = layer(x)
        return drop(x).squeeze(-1).sigmoid(), x.detach().squeeze(-1).sigmoid()


Scope = Literal["global", "local"]
REDUCTION = 16  # bottleneck of SSMA and squeeze-and-excitation in their papers


@dataclass(frozen=True)
class NetworkSettings:
    """The `model` section: the network."""

    # Width of the fused features; null: sum of the streams' widths (2048 for I3D), as in the code.
    width: Count | None = None
    # Width inside the attention units; null: half of their stream's (512), as in the code.
    attention_width: Count | None = None
    # How the streams are joined (Table 6).
    fusion: Literal["ccm", "add", "concat", "ssma", "se"] = "ccm"
    main: Scope = "global"  # descriptor of the main stream in the CCM (Table 5)
    aux: Scope = "local"  # descriptor of the auxiliary stream in the CCM (Table 5)
    bare_descriptors: bool = False  # true: no leaky ReLU and dropout on them (paper, Eq. 1-2)
    attention: bool = True  # false: no attention units; attention is 1 at every snippet
    attention_dropout: DropoutRate = 0.5  # inside the attention units (code); paper: 0.7
    logit_dropout: DropoutRate = 0.5  # on the attention's logit (code); the paper has none: 0
    dropout: DropoutRate = 0.7  # around the classifier (paper and code)
    # Odd number of snippets that logits and attentions are averaged over; 1: none. The code has
    # 13 on ActivityNet.
    pool_kernel: Count = 1

    def __post_init__(self) -> None:
        if self.pool_kernel % 2 == 0:
            raise SettingsError(f"pool_kernel {self.pool_kernel} is even; a mean needs a centre")


@dataclass(frozen=True)
class RunSettings(contract.RunSettings):
    """The top level of a CO2-Net run's config."""

    # Two modalities: the last stream is one, all before it together are the other.
    streams: Annotated[tuple[str, ...], MinLen(2)] = ("rgb", "flow")
    model: NetworkSettings = NetworkSettings()


# The cross-modal consensus module and the alternatives of Table 6. Each takes the two streams and
# returns them as the attention units see them, and joined as the classifier does.


class Fused(NamedTuple):
    """The streams after fusion."""

    rgb: Tensor  # [B, T, D_rgb], input of that stream's attention unit
    flow: Tensor  # [B, T, D_flow]
    joint: Tensor  # [B, T, joint width]


class Descriptor(nn.Module):
    """One stream's description of each channel: of the whole video, or of each snippet.

    differs from paper: leaky ReLU and dropout are in the code, not in Eq. 1-2; `bare` leaves them
    out.
    """

    def __init__(self, channels: int, out_channels: int, scope: Scope, *, bare: bool) -> None:
        super().__init__()
        self.scope = scope
        make = linear_as_centre_tap if scope == "global" else TemporalConv
        self.project = make(channels, out_channels)
        self.after = nn.Identity() if bare else nn.Sequential(nn.LeakyReLU(SLOPE), Dropout(0.5))

    def forward(self, x: Tensor) -> Tensor:
        """`[B, T, D] -> [B, 1, E]` (global) or `[B, T, E]` (local)."""
        if self.scope == "global":
            x = x.mean(1, keepdim=True)
        return self.after(self.project(x))


def linear_as_centre_tap(channels: int, out_channels: int) -> TemporalConv:
    """The centre tap of a zero-padded convolution of width 3, for sequences of one snippet.

    The outer taps only ever meet padding and are left out; the initial range is still that of
    the convolution (fan-in 3 D), from which the code starts.
    """
    layer = TemporalConv(channels, out_channels, kernel=1)
    bound = he_bound(3 * channels)
    nn.init.uniform_(layer.weight, -bound, bound)
    return layer


class CrossModalConsensus(nn.Module):
    """CCM (section 3.2): the main stream, its channels gated by both streams' descriptors.

    Dropout falls on both descriptors before their product, so in training three quarters of the
    gate are 0.5.
    """

    def __init__(self, dim: int, aux_dim: int, settings: NetworkSettings) -> None:
        super().__init__()
        bare = settings.bare_descriptors
        self.main = Descriptor(dim, dim, settings.main, bare=bare)  # M_G, Eq. 1
        self.aux = Descriptor(aux_dim, dim, settings.aux, bare=bare)  # M_L, Eq. 2

    def forward(self, main: Tensor, aux: Tensor) -> Tensor:
        """`[B, T, D], [B, T, D_aux] -> [B, T, D]`."""
        return torch.sigmoid(self.main(main) * self.aux(aux)) * main


class ConsensusFusion(nn.Module):
    """A CCM per stream, each the other's auxiliary."""

    def __init__(self, dims: tuple[int, int], settings: NetworkSettings) -> None:
        super().__init__()
        rgb, flow = dims
        self.rgb = CrossModalConsensus(rgb, flow, settings)
        self.flow = CrossModalConsensus(flow, rgb, settings)
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
    """The streams side by side, unchanged."""

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


def build_fusion(dims: tuple[int, int], settings: NetworkSettings) -> nn.Module:
    """The fusion that the settings name."""
    if settings.fusion == "ccm":
        return ConsensusFusion(dims, settings)
    others = {"add": AddFusion, "concat": ConcatFusion, "ssma": SSMAFusion, "se": SEFusion}
    return others[settings.fusion](dims)


class CO2Output(NamedTuple):
    """The network's output; `logits` is the class activation sequence, background last."""

    logits: Tensor  # [B, T, C+1]
    attention: Tensor  # [B, T], mean of the streams'
    attention_rgb: Tensor  # [B, T]
    attention_flow: Tensor  # [B, T]
    features: Tensor  # [B, T, D], fused, after activation and dropout
    # Each attention without dropout on its logits, for the log: `{name}_undropped`, [B, T].
    extra: dict[str, Tensor] = {}

    @property
    def cas(self) -> Tensor:
        """The class activation sequence under the name that all methods share."""
        return self.logits


class CO2Net(nn.Module):
    """CO2-Net on `[B, T, D_rgb + D_flow]`, RGB first; `dims` are the widths of the two streams."""

    def __init__(
        self,
        num_classes: int,
        dims: tuple[int, int] = (1024, 1024),
        settings: NetworkSettings = NetworkSettings(),
    ) -> None:
        super().__init__()
        self.dims, self.pool_kernel = list(dims), settings.pool_kernel
        width = settings.width or sum(dims)
        self.fusion = build_fusion(dims, settings)
        if settings.attention:
            self.attention_rgb, self.attention_flow = (
                AttentionUnit(
                    dim,
                    settings.attention_width or dim // 2,
                    dropout=settings.attention_dropout,
                    logit_dropout=settings.logit_dropout,
                )
                for dim in dims
            )
        self.has_attention = settings.attention
        self.joint = nn.Sequential(
            TemporalConv(self.fusion.joint_dim, width, kernel=1),
            nn.LeakyReLU(SLOPE),
            Dropout(settings.dropout),
        )
        self.classifier = nn.Sequential(
            Dropout(settings.dropout),
            TemporalConv(width, width),
            nn.LeakyReLU(SLOPE),
            Dropout(settings.dropout),
            TemporalConv(width, num_classes + 1, kernel=1),
        )

    def forward(self, x: Tensor) -> CO2Output:
        """`[B, T, D_rgb + D_flow]` -> CO2Output."""
        fused = self.fusion(*x.split(self.dims, -1))
        features = self.joint(fused.joint)
        logits = self.classifier(features)
        if self.has_attention:
            units = self.attention_rgb(fused.rgb), self.attention_flow(fused.flow)
            (rgb, flow), undropped = zip(*units, strict=True)
        else:
            rgb = flow = x.new_ones(x.shape[:2])
            undropped = rgb, flow
        logits, *pooled = (
            average_over_time(y, self.pool_kernel)
            for y in (logits, (rgb + flow) / 2, rgb, flow, sum(undropped) / 2, *undropped)
        )
        names = ("attention_undropped", "attention_rgb_undropped", "attention_flow_undropped")
        extra = dict(zip(names, pooled[3:], strict=True))
        return CO2Output(logits, *pooled[:3], features, extra)

    @classmethod
    def from_official(
        cls, state_dict: Mapping[str, Tensor], num_classes: int, pool_kernel: int = 1
    ) -> CO2Net:
        """Return the network in a checkpoint of the official code, in whatever order its keys are.

        Its `feat_encoder`, which is never called, and the outer taps of the global descriptors,
        which only ever meet padding, are left behind. Raises WstalError naming missing or unknown
        keys, or tensors of shapes that the code's own widths do not give.
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
        model = cls(num_classes, dims, NetworkSettings(pool_kernel=pool_kernel))
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


def average_over_time(x: Tensor, kernel: int) -> Tensor:
    """Moving average over time of `[B, T, D]` or `[B, T]`, zeros counted at the edges."""
    if kernel == 1:
        return x
    rows = x.unsqueeze(1) if x.dim() == 2 else x.mT
    pooled = functional.avg_pool1d(rows, kernel, stride=1, padding=kernel // 2)
    return pooled.squeeze(1) if x.dim() == 2 else pooled.mT


def build(run: RunSettings, dims: Mapping[str, int], num_classes: int) -> CO2Net:
    """Return the untrained network of a run; `dims` gives each stream's width."""
    *first, last = run.streams
    return CO2Net(num_classes, (sum(dims[name] for name in first), dims[last]), run.model)


def from_published(content: Any, run: RunSettings, num_classes: int) -> CO2Net:
    """Return the network in a checkpoint of the official code, with the run's pooling over time."""
    if not isinstance(content, Mapping):
        raise WstalError(
            f"expected the state dict of the official CO2 model, found {type(content)}"
        )
    return CO2Net.from_official(content, num_classes, run.model.pool_kernel)


def attentions(run: RunSettings) -> dict[str, str]:
    """Name each modality's attention by its streams: `rgb`, `flow`; or `rgb+flow`, `audio`."""
    *first, last = run.streams
    return {"+".join(first): "attention_rgb", last: "attention_flow"}
