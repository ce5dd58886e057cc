"""torchvision's networks: ResNet-152, S3D, R(2+1)D-18, MViT v2 and Swin3D."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from torch import Tensor, nn

from wstal.networks.backbone import BackboneEntry, Built, known_network
from wstal.networks.torchvision_import import import_torchvision
from wstal.networks.weights import load_file_into

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


# MViT v2, Li et al., "MViTv2: Improved Multiscale Vision Transformers for Classification and
# Detection", CVPR 2022: 16 frames of 224 x 224, no other number. Swin3D, Liu et al., "Video Swin
# Transformer", CVPR 2022: any number of frames; the weights were trained on 32.
def _transformer(name: str) -> nn.Module:
    return getattr(import_torchvision().models.video, name)(weights=None)


def _without_head(network: nn.Module, x: Tensor) -> Tensor:
    """`[B, 3, T, S, S]` -> `[B, width]`: what the classifier sees."""
    network.head = nn.Identity()
    return network(x)


NETWORKS: dict[str, tuple[Callable, Callable, int]] = {  # its builder, its vector, its width
    "resnet152": (_resnet152, _resnet152_features, 2048),
    "s3d": (_s3d, _s3d_features, 1024),
    "r2plus1d_18": (_r2plus1d, _r2plus1d_features, 512),
    **{
        name: (partial(_transformer, name), _without_head, width)
        for name, width in {
            "mvit_v2_s": 768,
            "swin3d_t": 768,
            "swin3d_s": 768,
            "swin3d_b": 1024,
        }.items()
    },
}


def build(entry: BackboneEntry, weights: Path | None) -> Built:
    """Return the network that the entry's `model` names; raises as `load_state`."""
    make, vector, width = known_network(entry, NETWORKS)
    return Built(load_file_into(make(), weights), vector, width, PACKAGES)
