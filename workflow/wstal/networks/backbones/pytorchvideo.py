"""pytorchvideo's networks of Kinetics-400: I3D and SlowFast on a ResNet-50, and X3D-M."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from wstal.networks.backbone import BackboneEntry, Built, known_network
from wstal.networks.torchvision_import import import_torchvision
from wstal.networks.weights import load_file_into

PACKAGES = ("torchvision", "pytorchvideo")
ALPHA = 4  # fast frames per slow frame of SlowFast


# I3D on a ResNet-50, "8x8". Carreira and Zisserman, "Quo Vadis, Action Recognition?", CVPR 2017,
# inflated from ResNet-50. It was trained on 8 frames 8 apart: it sees every second frame of the
# snippet, 8 of them.
def _i3d_r50() -> nn.Module:
    import_torchvision()  # lets pytorchvideo import
    from pytorchvideo.models.resnet import create_resnet

    plain, temporal = (1, 1, 1), (3, 1, 1)
    return create_resnet(
        stem_conv_kernel_size=(5, 7, 7),
        stage1_pool=nn.MaxPool3d,
        stage_conv_a_kernel_size=(
            temporal,
            [temporal, plain],
            [temporal, plain],
            [plain, temporal],
        ),
    )


def _i3d_r50_features(network: nn.Module, x: Tensor) -> Tensor:
    """`[B, 3, 16, S, S]` -> `[B, 2048]`: the mean of the last maps."""
    x = x[:, :, ::2]
    for block in network.blocks[:-1]:
        x = block(x)
    return x.mean((2, 3, 4))


# SlowFast on a ResNet-50, "8x8". Feichtenhofer et al., "SlowFast Networks for Video Recognition",
# ICCV 2019. Both pathways see one snippet: the fast one all 16 frames, the slow one a quarter of
# them, chosen as in training. It was trained on 32 and 8 frames over 64; its convolutions accept
# any number.
def _slowfast_r50() -> nn.Module:
    import_torchvision()  # lets pytorchvideo import
    from pytorchvideo.models.slowfast import create_slowfast

    return create_slowfast(slowfast_fusion_conv_kernel_size=(7, 1, 1))


def pathways(x: Tensor) -> list[Tensor]:
    """Return the slow `[B, 3, T/4, S, S]` and fast `[B, 3, T, S, S]` frames of a snippet."""
    frames = x.shape[2]
    # The rule of the weights' training: spread from the first to the last frame, fractions cut off.
    slow = torch.linspace(0, frames - 1, frames // ALPHA, device=x.device).long()
    return [x.index_select(2, slow), x]


def _slowfast_r50_features(network: nn.Module, x: Tensor) -> Tensor:
    """`[B, 3, 16, S, S]` -> `[B, 2304]`: the means of both pathways' last maps, slow first."""
    maps = pathways(x)
    for block in network.blocks[:-2]:  # the last two pool and classify
        maps = block(maps)
    return torch.cat([each.mean((2, 3, 4)) for each in maps], 1)


# X3D-M, a small network grown along every axis, "16x5". Feichtenhofer, "X3D: Expanding
# Architectures for Efficient Video Recognition", CVPR 2020. It sees all 16 frames of the snippet
# and was trained on 16 frames 5 apart.
def _x3d_m() -> nn.Module:
    import_torchvision()  # lets pytorchvideo import
    from pytorchvideo.models.x3d import create_x3d

    return create_x3d(input_clip_length=16, input_crop_size=224)


def _x3d_m_features(network: nn.Module, x: Tensor) -> Tensor:
    """`[B, 3, 16, S, S]` -> `[B, 2048]`: the last maps pooled, then the head's own projection."""
    for block in network.blocks[:-1]:
        x = block(x)
    head = network.blocks[-1].pool
    x = head.pre_act(head.pre_norm(head.pre_conv(x))).mean((2, 3, 4), keepdim=True)
    return head.post_act(head.post_conv(x)).flatten(1)


NETWORKS = {  # how it is built, its vector and the vector's width
    "i3d_r50": (_i3d_r50, _i3d_r50_features, 2048),
    "slowfast_r50": (_slowfast_r50, _slowfast_r50_features, 2304),  # slow 2048, then fast 256
    "x3d_m": (_x3d_m, _x3d_m_features, 2048),
}


def build(entry: BackboneEntry, weights: Path | None) -> Built:
    """Return the network that the entry's `model` names; raises as `load_state`."""
    make, vector, width = known_network(entry, NETWORKS)
    return Built(load_file_into(make(), weights), vector, width, PACKAGES)
