"""R(2+1)D-18, a residual network of spatial and temporal convolutions in turn, of Kinetics-400.

Tran et al., "A Closer Look at Spatiotemporal Convolutions for Action Recognition", CVPR 2018;
torchvision's. All 16 frames of the snippet are seen, at 112 x 112.
"""

from __future__ import annotations

from torch import Tensor, nn

from wstal.networks.backbone import KINETICS_MEAN as MEAN
from wstal.networks.backbone import KINETICS_STD as STD

__all__ = ["FEATURES", "MEAN", "PACKAGES", "STD", "build", "features"]
FEATURES = 512
PACKAGES = ("torchvision",)


def build() -> nn.Module:
    """torchvision's network with its 400 classes."""
    from wstal.networks.backbone import torchvision

    return torchvision.models.video.r2plus1d_18(weights=None)


def features(network: nn.Module, x: Tensor) -> Tensor:
    """`[B, 3, 16, S, S]` -> `[B, 512]`: the mean of the last maps."""
    x = network.stem(x)
    for layer in (network.layer1, network.layer2, network.layer3, network.layer4):
        x = layer(x)
    return x.mean((2, 3, 4))
