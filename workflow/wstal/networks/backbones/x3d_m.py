"""X3D-M, a small network grown along every axis, of Kinetics-400; pytorchvideo's "16x5".

Feichtenhofer, "X3D: Expanding Architectures for Efficient Video Recognition", CVPR 2020. All 16
frames of the snippet are seen; it was trained on 16 frames 5 apart.
"""

from __future__ import annotations

from torch import Tensor, nn

from wstal.networks.backbone import GRAY_MEAN as MEAN
from wstal.networks.backbone import GRAY_STD as STD

__all__ = ["FEATURES", "MEAN", "PACKAGES", "STD", "build", "features"]
FEATURES = 2048
PACKAGES = ("torchvision", "pytorchvideo")


def build() -> nn.Module:
    """pytorchvideo's network with its 400 classes."""
    from wstal.networks.backbone import torchvision  # noqa: F401  lets pytorchvideo import

    from pytorchvideo.models.x3d import create_x3d  # isort: skip

    return create_x3d(input_clip_length=16, input_crop_size=224)


def features(network: nn.Module, x: Tensor) -> Tensor:
    """`[B, 3, 16, S, S]` -> `[B, 2048]`: the last maps pooled, then the head's own projection."""
    for block in network.blocks[:-1]:
        x = block(x)
    head = network.blocks[-1].pool
    x = head.pre_act(head.pre_norm(head.pre_conv(x))).mean((2, 3, 4), keepdim=True)
    return head.post_act(head.post_conv(x)).flatten(1)
