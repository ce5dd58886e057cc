"""Inception-I3D: the network, and the same function computed faster.

Read network.py (the definition), inference.py (the fast form), cpu.py (minimal filtering over time
and pooling), then cuda.py and kernels.py (Triton kernels for GPUs).
"""

from importlib import import_module
from typing import Any


def __getattr__(name: str) -> Any:
    # By name, so that importing a part of this package imports no torch.
    if name == "InceptionI3D":
        return import_module("wstal.networks.i3d.network").InceptionI3D
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
