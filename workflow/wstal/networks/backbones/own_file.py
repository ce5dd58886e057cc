"""A network of your own, in a file that an entry names: Python, TorchScript or an exported program.

The file is a program, and it runs: name only files that you trust.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from wstal.base.errors import WstalError
from wstal.base.user_files import check_regular
from wstal.networks.backbone import BackboneEntry, Built, over_frames
from wstal.networks.weights import load_file_into

FUNCTION = "build_network"


def build(entry: BackboneEntry, weights: Path | None) -> Built:
    """Return the network of the entry's file.

    A Python file has `build_network()`, which returns a module; its weights are loaded into it
    where the recipe names some. The module maps `[B, 3, T, S, S]` (flow: 2 channels), or
    `[B, 3, S, S]` for images, to `[B, width]`. Raises WstalError for a file that is missing or has
    no such function, and for a network whose output is not `[B, width]`.
    """
    path = Path(entry.model).expanduser()
    if not path.is_file():
        raise WstalError(f"model: there is no file {path}; name a .py, .pt or .pt2 file")
    check_regular(path)
    if path.suffix == ".py":
        network = load_file_into(_python(path)(), weights)
    elif path.suffix == ".pt2":
        network = _Program(torch.export.load(path).module())
    elif path.suffix == ".pt":
        network = torch.jit.load(path, map_location="cpu")
    else:
        raise WstalError(f"model: {path} is not a .py (Python), .pt (TorchScript) or .pt2 file")
    vector = over_frames(_call) if entry.input == "images" else _call
    return Built(network, vector, _width(entry, network, vector), ())


class _Program(nn.Module):
    """An exported program: it stays in the mode in which it was exported."""

    def __init__(self, program: nn.Module) -> None:
        super().__init__()
        self._program = (program,)  # not a part of the module, whose mode would be set

    def _apply(self, *arguments: Any, **options: Any) -> nn.Module:
        self._program[0]._apply(*arguments, **options)
        return super()._apply(*arguments, **options)

    def forward(self, x: Tensor) -> Tensor:
        return self._program[0](x)


def _call(network: nn.Module, x: Tensor) -> Tensor:
    return network(x)


def _python(path: Path) -> Callable[[], Any]:
    spec = importlib.util.spec_from_file_location(f"wstal_own_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not hasattr(module, FUNCTION):
        raise WstalError(f"{path} has no function {FUNCTION}(); define one that returns a module")
    return getattr(module, FUNCTION)


@torch.inference_mode()
def _width(entry: BackboneEntry, network: nn.Module, vector: Callable) -> int:
    """Return the width of the network's vectors, from a black window."""
    frames = entry.frames or 16
    channels = 2 if entry.input == "flow" else 3
    window = torch.zeros(1, channels, frames, entry.crop, entry.crop)
    out = vector(network, window)
    if out.ndim != 2 or len(out) != 1:
        raise WstalError(
            f"{entry.model}: gives {list(out.shape)} for a window {list(window.shape)}; expected "
            f"[1, {entry.width}]"
        )
    return out.shape[1]
