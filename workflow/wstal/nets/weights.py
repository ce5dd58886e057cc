"""Weights on disk: read without running code, loaded exactly or refused by the key that differs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from wstal.atomic import atomic_path
from wstal.errors import WstalError
from wstal.nets.inception_i3d import InceptionI3D
from wstal.nets.plain_file import read_plain
from wstal.nets.vggish import VGGish

UNTRAINED = "untrained"
UNTRAINED_SEED = 0
_COUNTER = "num_batches_tracked"  # of batch norm; no part of the function


def read_state(path: str | Path) -> dict[str, Tensor]:
    """Read a state dict from a `.safetensors` file or a plain torch file.

    Where one lies under `model_state`, beside what training left, that one is read. Raises
    WstalError if the file is absent or holds anything else; nothing in it is run.
    """
    path = Path(path)
    if not path.exists():
        raise WstalError(f"no weights at {path}; run python scripts/fetch_weights.py --list")
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except (SafetensorError, OSError, ValueError) as error:
            raise WstalError(f"{path} holds no readable weights: {error}") from error
    state = read_plain(path)
    if isinstance(state, Mapping) and isinstance(state.get("model_state"), Mapping):
        state = state["model_state"]
    if not isinstance(state, Mapping) or not all(isinstance(v, Tensor) for v in state.values()):
        raise WstalError(f"{path} is not a plain state dict of tensors")
    return dict(state)


def load_state(network: nn.Module, state: Mapping[str, Tensor], path: str | Path) -> None:
    """Copy `state` into `network`, every tensor or none.

    Raises WstalError that names the first key that is missing, unknown or of another shape.
    """
    own = {name: value for name, value in network.state_dict().items() if _COUNTER not in name}
    state = {name: value for name, value in state.items() if _COUNTER not in name}
    for name in sorted(own.keys() | state.keys()):
        if name not in state:
            raise WstalError(f"{path} lacks the tensor {name} of {type(network).__name__}")
        if name not in own:
            raise WstalError(f"{path} has a tensor {name} that {type(network).__name__} lacks")
        if own[name].shape != state[name].shape:
            raise WstalError(
                f"{path}: tensor {name} has shape {list(state[name].shape)}, the network expects "
                f"{list(own[name].shape)}; check the stream, the width and the number of classes"
            )
    network.load_state_dict(state, strict=False)


def load_i3d(path: str | Path, in_channels: int, width: float = 1.0) -> InceptionI3D:
    """Inception-I3D in evaluation mode with the weights at `path`.

    The number of classes is the file's. Raises WstalError as `read_state` and `load_state`.
    """
    state = read_state(path)
    bias = state.get("logits.conv3d.bias")
    network = InceptionI3D(in_channels, width, num_classes=400 if bias is None else len(bias))
    load_state(network, state, path)
    return network.eval()


def load_vggish(path: str | Path, width: float = 1.0, activation: str = "post") -> VGGish:
    """VGGish in evaluation mode with the weights at `path`; raises as `load_i3d`."""
    network = VGGish(width, activation)
    load_state(network, read_state(path), path)
    return network.eval()


def untrained_i3d(in_channels: int, width: float = 1.0) -> InceptionI3D:
    """Inception-I3D with seeded random weights: for wiring tests, never for results."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(UNTRAINED_SEED)
        return InceptionI3D(in_channels, width).eval()


def untrained_vggish(width: float = 1.0, activation: str = "post") -> VGGish:
    """VGGish with seeded random weights: for wiring tests, never for results."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(UNTRAINED_SEED)
        return VGGish(width, activation).eval()


def half_state(network: nn.Module) -> dict[str, Tensor]:
    """The state dict in float16, without batch norm's counters."""
    state = network.state_dict().items()
    return {name: v.half().contiguous() for name, v in state if _COUNTER not in name}


def save_half(path: str | Path, network: nn.Module, recipe: Mapping[str, Any]) -> None:
    """Write `half_state` as safetensors, atomically, with `recipe` in its metadata."""
    # One metadata entry: the order of several is not reproducible.
    metadata = {"recipe": json.dumps(recipe, sort_keys=True)}
    with atomic_path(path) as temporary:
        temporary.write_bytes(save(half_state(network), metadata))
