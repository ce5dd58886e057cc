"""S3D, Inception-I3D with separated space and time, of Kinetics-400; torchvision's.

Xie et al., "Rethinking Spatiotemporal Feature Learning", ECCV 2018. All 16 frames of the snippet
are seen; torchvision's weights were trained at 15 frames a second.
"""

from __future__ import annotations

from torch import Tensor, nn

from wstal.networks.backbone import KINETICS_MEAN as MEAN
from wstal.networks.backbone import KINETICS_STD as STD

__all__ = ["FEATURES", "MEAN", "PACKAGES", "STD", "build", "features"]
FEATURES = 1024
PACKAGES = ("torchvision",)


def build() -> nn.Module:
    """torchvision's network with its 400 classes."""
    from wstal.networks.backbone import torchvision

    return torchvision.models.video.s3d(weights=None)


def features(network: nn.Module, x: Tensor) -> Tensor:
    """`[B, 3, 16, S, S]` -> `[B, 1024]`: the mean of the last maps, 2x7x7 of them at 224."""
    return network.features(x).mean((2, 3, 4))
