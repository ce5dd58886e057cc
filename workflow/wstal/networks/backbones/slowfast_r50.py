"""SlowFast on a ResNet-50, of Kinetics-400; pytorchvideo's "8x8".

Feichtenhofer et al., "SlowFast Networks for Video Recognition", ICCV 2019. Both pathways see one
snippet: the fast one all 16 frames, the slow one a quarter of them, chosen as in training. It
was trained on 32 and 8 frames over 64; its convolutions take any number.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wstal.networks.backbone import GRAY_MEAN as MEAN
from wstal.networks.backbone import GRAY_STD as STD

__all__ = ["FEATURES", "MEAN", "PACKAGES", "STD", "build", "features"]
FEATURES = 2304  # slow 2048, then fast 256
PACKAGES = ("torchvision", "pytorchvideo")
ALPHA = 4  # fast frames per slow one


def build() -> nn.Module:
    """pytorchvideo's network with its 400 classes."""
    from wstal.networks.backbone import torchvision  # noqa: F401  lets pytorchvideo import

    from pytorchvideo.models.slowfast import create_slowfast  # isort: skip

    return create_slowfast(slowfast_fusion_conv_kernel_size=(7, 1, 1))


def pathways(x: Tensor) -> list[Tensor]:
    """Slow `[B, 3, T/4, S, S]` and fast `[B, 3, T, S, S]` frames of a snippet."""
    frames = x.shape[2]
    # The weights' own rule: spread from the first to the last frame, fractions cut off.
    slow = torch.linspace(0, frames - 1, frames // ALPHA, device=x.device).long()
    return [x.index_select(2, slow), x]


def features(network: nn.Module, x: Tensor) -> Tensor:
    """`[B, 3, 16, S, S]` -> `[B, 2304]`: the means of both pathways' last maps, slow first."""
    maps = pathways(x)
    for block in network.blocks[:-2]:  # the last two pool and classify
        maps = block(maps)
    return torch.cat([each.mean((2, 3, 4)) for each in maps], 1)
