"""Other public networks behind Inception-I3D's own interface: a snippet in, a vector out.

A backbone is a module of `nets/backbones/`, named like the stage and the recipe's section that
use it. It imports its library where it builds the network: that of another one may be absent.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from wstal.nets.weights import UNTRAINED, UNTRAINED_SEED, load_state, read_state

KINETICS_MEAN = (0.43216, 0.394666, 0.37645)  # of torchvision's video networks
KINETICS_STD = (0.22803, 0.22145, 0.216989)
GRAY_MEAN, GRAY_STD = (0.45,) * 3, (0.225,) * 3  # of pytorchvideo's


class Backbone(Protocol):
    """What a module of `nets/backbones/` defines.

    `MEAN`, `STD`: of RGB in [0, 1] that the weights were trained with. `FEATURES`: width of the
    vector. `PACKAGES`: whose networks they are, for the provenance.
    """

    PACKAGES: tuple[str, ...]
    MEAN: tuple[float, ...]
    STD: tuple[float, ...]
    FEATURES: int

    def build(self) -> nn.Module:
        """The network as its public weights expect it, head included, not yet initialised."""

    def features(self, network: nn.Module, x: Tensor) -> Tensor:
        """Normalised snippets `[B, 3, 16, S, S]` -> `[B, FEATURES]`, before the classifier."""


class SnippetNetwork(nn.Module):
    """A backbone that takes what Inception-I3D takes: RGB snippets in [-1, 1]."""

    mean: Tensor
    std: Tensor

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.network, self._features = backbone.build(), backbone.features
        self.feature_size, self.packages = backbone.FEATURES, backbone.PACKAGES
        for name, value in (("mean", backbone.MEAN), ("std", backbone.STD)):
            self.register_buffer(name, torch.tensor(value)[:, None, None, None], persistent=False)

    def channels_last(self) -> SnippetNetwork:
        """Itself, its convolutions in the layout that snippets come in: the faster one."""
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                module.to(memory_format=torch.channels_last_3d)
            elif isinstance(module, nn.Conv2d):
                module.to(memory_format=torch.channels_last)
        return self

    def features(self, x: Tensor) -> Tensor:
        """`[B, 3, 16, S, S]` in [-1, 1] -> `[B, feature_size]`."""
        return self._features(self.network, ((x + 1) / 2 - self.mean) / self.std)


def load_backbone(name: str, weights: str | Path) -> SnippetNetwork:
    """The backbone `name` in evaluation mode with the weights at a path.

    With `untrained` they are seeded and random: for wiring tests, never for results. Raises
    WstalError as `read_state` and `load_state`.
    """
    backbone = importlib.import_module(f"wstal.nets.backbones.{name}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(UNTRAINED_SEED)
        network = SnippetNetwork(backbone)
    if weights != UNTRAINED:
        load_state(network.network, read_state(weights), weights)
    return network.eval()
