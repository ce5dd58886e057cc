"""CAVF: cross-attentional audio-visual fusion (Lee et al., ICLR 2021).

Audio and picture attend to each other in stages, an open-max classifier reads their
concatenation, and two losses make neighbouring snippets agree. The authors published no code: what
the paper leaves open is resolved here, each resolution a setting (docs/cavf.md gives the reasons).
"""

from typing import Any


def __getattr__(name: str) -> Any:
    """Import the network on first use: the package itself imports no torch."""
    if name == "CAVF":
        from wstal.methods.cavf.network import CAVF

        return CAVF
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
