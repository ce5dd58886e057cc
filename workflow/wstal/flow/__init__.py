"""Optical flow: gray frames to int8 flow files.

Read definition.py (TV-L1's parameters, its frames, and OpenCV's, the reference), tvl1_backends/
(the other backends of one TV-L1), algorithm.py (the flow that a recipe names; DIS and RAFT),
codes.py (flow as bytes, in bounded memory), stage.py (the stage `flow`).

Imports only base, media and networks.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = ["Backend", "resolve_backend", "tvl1"]


def __getattr__(name: str) -> Any:
    # By name, so that importing a part of this room neither imports the backends nor makes them
    # part of a job's code digest. Inside the package import them from their own module.
    if name in __all__:
        return getattr(import_module("wstal.flow.tvl1_backends.backend"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
