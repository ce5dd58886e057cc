"""Other public networks behind Inception-I3D's own interface: a snippet in, a vector out.

A backbone is a module of `networks/backbones/`, named like the stage and the recipe's section that
use it. It imports its library where it builds the network: that of another one may be absent.
"""

from __future__ import annotations

import importlib
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from wstal.networks.weights import UNTRAINED, load_state, read_state, seeded

KINETICS_MEAN = (0.43216, 0.394666, 0.37645)  # of torchvision's video networks
KINETICS_STD = (0.22803, 0.22145, 0.216989)
GRAY_MEAN, GRAY_STD = (0.45,) * 3, (0.225,) * 3  # of pytorchvideo's


class Backbone(Protocol):
    """What a module of `networks/backbones/` defines.

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
    backbone = importlib.import_module(f"wstal.networks.backbones.{name}")
    network = seeded(lambda: SnippetNetwork(backbone))
    if weights != UNTRAINED:
        load_state(network.network, read_state(weights), weights)
    return network


# FOLDED The one way to torchvision and pytorchvideo: imports that work on every build of them.
# FOLDED
# FOLDED torchvision registers shape functions for `nms` and `qnms` when it is imported, and fails there
# FOLDED if its compiled extension does not fit the installed torch, although no backbone uses either
# FOLDED operator. pytorchvideo 0.1.5 imports a torchvision module that was renamed since. Importing
# FOLDED this module first makes good both, and only what is absent:
# FOLDED
# FOLDED     from wstal.networks.backbone import torchvision

_SUPPRESSION = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_RENAMED = "torchvision.transforms.functional_tensor"


def _load_extension() -> None:
    """Load torchvision's compiled operators if they fit this torch; they define the schemas."""
    spec = find_spec("torchvision")
    for folder in spec.submodule_search_locations if spec else []:
        for library in sorted(Path(folder).glob("_C*.so")):
            with suppress(OSError):
                torch.ops.load_library(str(library))


def define_missing_operators() -> list[str]:
    """Declare the operators torchvision expects and return the names that were absent."""
    _load_extension()
    absent = [name for name in ("nms", "qnms") if not hasattr(torch.ops.torchvision, name)]
    for name in absent:
        torch.library.define(f"torchvision::{name}", _SUPPRESSION)
    return absent


def alias_renamed_module() -> None:
    """Let the old name of torchvision's tensor transforms stand for the new one."""
    if find_spec(_RENAMED) is None:
        module = importlib.import_module("torchvision.transforms._functional_tensor")
        sys.modules[_RENAMED] = module


if "torchvision" not in sys.modules:
    define_missing_operators()
import torchvision  # noqa: E402  only now does it import

alias_renamed_module()

__all__ = ["torchvision"]
