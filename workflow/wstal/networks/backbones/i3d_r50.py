"""I3D on a ResNet-50, of Kinetics-400; pytorchvideo's "8x8".

Carreira and Zisserman, "Quo Vadis, Action Recognition?", CVPR 2017, inflated from ResNet-50. It
was trained on 8 frames 8 apart: it sees every second frame of the snippet, 8 of them.
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

    from pytorchvideo.models.resnet import create_resnet  # isort: skip

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


def features(network: nn.Module, x: Tensor) -> Tensor:
    """`[B, 3, 16, S, S]` -> `[B, 2048]`: the mean of the last maps."""
    x = x[:, :, ::2]
    for block in network.blocks[:-1]:
        x = block(x)
    return x.mean((2, 3, 4))
