"""ResNet-152 of ImageNet, picture by picture: the mean of its pooled maps over the snippet.

He et al., "Deep Residual Learning for Image Recognition", CVPR 2016; torchvision's network and
weights. AVE's methods sample 16 pictures of each second so.
"""

from __future__ import annotations

from torch import Tensor, nn

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
FEATURES = 2048
PACKAGES = ("torchvision",)


def build() -> nn.Module:
    """torchvision's network with its 1000 classes."""
    from wstal.networks.backbone import torchvision

    return torchvision.models.resnet152(weights=None)


def features(network: nn.Module, x: Tensor) -> Tensor:
    """`[B, 3, T, S, S]` -> `[B, 2048]`: the mean over all pixels of the last maps and over time."""
    pictures = x.transpose(1, 2).flatten(0, 1)
    maps = network.maxpool(network.relu(network.bn1(network.conv1(pictures))))
    for layer in (network.layer1, network.layer2, network.layer3, network.layer4):
        maps = layer(maps)
    return maps.mean((2, 3)).unflatten(0, (len(x), x.shape[2])).mean(1)
