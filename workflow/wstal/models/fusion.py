"""Ways to join two feature streams before attention and classification.

CO2-Net's cross-modal consensus module and the alternatives of its Table 6. Each takes the two
streams and returns them as the attention units see them, and joined as the classifier does.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from wstal.errors import WstalError
from wstal.models.dropout import Dropout
from wstal.models.layers import SLOPE, TemporalConv, linear_as_centre_tap

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
