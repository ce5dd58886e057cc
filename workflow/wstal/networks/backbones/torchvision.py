"""torchvision's networks: ResNet-152 of ImageNet, S3D and R(2+1)D-18 of Kinetics-400."""

from __future__ import annotations

from torch import Tensor, nn

from wstal.networks.backbone import Backbone
from wstal.networks.torchvision_import import import_torchvision

IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
KINETICS = {"mean": (0.43216, 0.394666, 0.37645), "std": (0.22803, 0.22145, 0.216989)}
PACKAGES = ("torchvision",)


# ResNet-152, picture by picture: the mean of its pooled maps over the snippet. He et al., "Deep
# Residual Learning for Image Recognition", CVPR 2016. AVE's methods apply it to 16 pictures of
# each second.
def _resnet152() -> nn.Module:
    return import_torchvision().models.resnet152(weights=None)


def _resnet152_features(network: nn.Module, x: Tensor) -> Tensor:
    """`[B, 3, T, S, S]` -> `[B, 2048]`: the mean over all pixels of the last maps and over time."""
    pictures = x.transpose(1, 2).flatten(0, 1)
    maps = network.maxpool(network.relu(network.bn1(network.conv1(pictures))))
    for layer in (network.layer1, network.layer2, network.layer3, network.layer4):
        maps = layer(maps)
    return maps.mean((2, 3)).unflatten(0, (len(x), x.shape[2])).mean(1)


# S3D, Inception-I3D with separate space and time. Xie et al., "Rethinking Spatiotemporal Feature
# Learning", ECCV 2018. It sees all 16 frames of the snippet; torchvision's weights were trained at
# 15 frames a second.
def _s3d() -> nn.Module:
    return import_torchvision().models.video.s3d(weights=None)


def _s3d_features(network: nn.Module, x: Tensor) -> Tensor:
    """`[B, 3, 16, S, S]` -> `[B, 1024]`: the mean of the last maps, 2x7x7 of them at 224."""
    return network.features(x).mean((2, 3, 4))


# R(2+1)D-18, a residual network of spatial and temporal convolutions in turn. Tran et al., "A
# Closer Look at Spatiotemporal Convolutions for Action Recognition", CVPR 2018. It sees all 16
# frames of the snippet, at 112 x 112.
def _r2plus1d() -> nn.Module:
    return import_torchvision().models.video.r2plus1d_18(weights=None)


def _r2plus1d_features(network: nn.Module, x: Tensor) -> Tensor:
    """`[B, 3, 16, S, S]` -> `[B, 512]`: the mean of the last maps."""
    x = network.stem(x)
    for layer in (network.layer1, network.layer2, network.layer3, network.layer4):
        x = layer(x)
    return x.mean((2, 3, 4))


BACKBONES = {
    "resnet152": Backbone(_resnet152, _resnet152_features, 2048, **IMAGENET, packages=PACKAGES),
    "s3d": Backbone(_s3d, _s3d_features, 1024, **KINETICS, packages=PACKAGES),
    "r2plus1d": Backbone(_r2plus1d, _r2plus1d_features, 512, **KINETICS, packages=PACKAGES),
}
