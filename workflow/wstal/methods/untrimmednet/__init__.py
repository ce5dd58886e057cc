"""UntrimmedNet with soft selection (Wang et al., CVPR 2017) on snippet features.

Attention weighs the snippets of a video so that video-level labels are enough to train class
heads. ACN starts from this method's scores. The detector is the authors' own, in Matlab (commit
76ec6a3); the backbones, which the paper trains along with the heads, are not trained here.
"""

from typing import Any


def __getattr__(name: str) -> Any:
    """Import the network on first use: the package itself imports no torch."""
    if name == "UntrimmedNet":
        from wstal.methods.untrimmednet.network import UntrimmedNet

        return UntrimmedNet
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
