"""Weights and inputs of the CO2-Net reference outputs: a hash of the index, nothing stored."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

import numpy as np
import torch

UNUSED = "feat_encoder"  # built by the official code, never called


def hashed(index: np.ndarray, key: int) -> np.ndarray:
    """Uniform in [-1, 1), float64, from a 32-bit hash."""
    mask = np.uint64(0xFFFFFFFF)
    h = (index.astype(np.uint64) * np.uint64(2654435761) + np.uint64(key * 40503 + 12345)) & mask
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        h ^= h >> np.uint64(shift)
        h = (h * np.uint64(factor)) & mask
    h ^= h >> np.uint64(16)
    return h / 2.0**31 - 1


def official_weights(names, shapes, *, classes: int = 20, unused: bool = True) -> dict:
    """The state dict of the official model under the recipe, in its own order."""
    state = {}
    for position, (name, text) in enumerate(zip(names, shapes, strict=True)):
        shape = ast.literal_eval(str(text))
        if str(name).startswith("classifier.4"):
            shape = (classes + 1, *shape[1:])
        if str(name).startswith(UNUSED) and not unused:
            continue
        values = hashed(np.arange(int(np.prod(shape))), position)
        if len(shape) > 1:
            gain = 6 if name.endswith("attention.5.weight") else 2
            values *= gain * np.sqrt(3 / (shape[1] * shape[2]))
        else:
            values *= 0.05
        state[str(name)] = torch.from_numpy(values.astype(np.float32).reshape(shape))
    return state


def official_inputs(videos: int, length: int, key: int) -> torch.Tensor:
    """Features `[videos, length, 2048]`."""
    v, t, d = np.ogrid[:videos, :length, :2048]
    slow = hashed((v * 4096 + t // 4) * 2048 + d, 1000 + key)
    fast = hashed((v * 4096 + t) * 2048 + d, 2000 + key)
    return torch.from_numpy(np.maximum(0, slow + 0.5 * fast).astype(np.float32))


def load_module(path: Path):
    """A Python file outside the package, as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
