"""Other public networks behind Inception-I3D's own interface: a snippet in, a vector out."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from wstal.base.errors import WstalError
from wstal.networks.backbones import MODULES
from wstal.networks.weights import UNTRAINED, load_state, read_state, seeded


@dataclass(frozen=True)
class Backbone:
    """A public network: how it is built, and where its vector is taken from."""

    build: Callable[[], nn.Module]  # as its public weights expect it, head included
    features: Callable[[nn.Module, Tensor], Tensor]  # [B, 3, 16, S, S] -> [B, size], no classifier
    size: int  # of the vector
    mean: tuple[float, float, float]  # of RGB in [0, 1] that the weights were trained with
    std: tuple[float, float, float]
    packages: tuple[str, ...]  # whose networks they are, for the provenance


def find_backbone(name: str) -> Backbone:
    """Return the backbone `name`, whose library is imported when the network is built."""
    if name not in MODULES:
        raise WstalError(f"backbone {name!r} is not one of {', '.join(MODULES)}")
    return importlib.import_module(MODULES[name]).BACKBONES[name]


class SnippetNetwork(nn.Module):
    """A backbone with the input of Inception-I3D: RGB snippets in [-1, 1]."""

    mean: Tensor
    std: Tensor

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.network, self._features = backbone.build(), backbone.features
        self.feature_size, self.packages = backbone.size, backbone.packages
        for name, value in (("mean", backbone.mean), ("std", backbone.std)):
            self.register_buffer(name, torch.tensor(value)[:, None, None, None], persistent=False)

    def channels_last(self) -> SnippetNetwork:
        """Return itself, its convolutions in the layout of the snippets: the faster one."""
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
    """Load the backbone `name` in evaluation mode with the weights at a path.

    With `untrained` they are seeded and random: for wiring tests, never for results. Raises
    WstalError as `find_backbone`, `read_state` and `load_state`.
    """
    backbone = find_backbone(name)
    network = seeded(lambda: SnippetNetwork(backbone))
    if weights != UNTRAINED:
        load_state(network.network, read_state(weights), weights)
    return network
