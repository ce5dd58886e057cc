"""TS-SAM: two-stream network with semantic-aware mechanism (CVPR 2023).

Two branches classify a video, one from features pooled by attention, one from its strongest
snippets; a learnable dictionary holds what each class looks like. There is no public code: where
the paper is silent or contradicts itself, a named setting holds the readings, and the default is
what its closest relative with code (ACM-Net, commit 4d38dc6) does or what the paper's numbers
need (docs/tssam.md).
"""

from typing import Any


def __getattr__(name: str) -> Any:
    """Import the network on first use: the package itself imports no torch."""
    if name == "TSSAM":
        from wstal.methods.tssam.network import TSSAM

        return TSSAM
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
