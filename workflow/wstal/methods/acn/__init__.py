"""ACN: action coherence network (Zhai et al., ICIP 2019).

A regression network per anchor moves the boundaries of sliding proposals, one stream at a time;
the run `acn` itself joins the proposals of acn-rgb and acn-flow, which start from UntrimmedNet's
scores. There is no public code: [R] marks how an ambiguity of the paper is resolved here.

Read network.py, proposals.py (what a proposal is worth, and which stay), loss.py, localize.py
(and the fusion of two streams); figures.py draws the paper's diagrams.
"""

from typing import Any


def __getattr__(name: str) -> Any:
    """Import the network on first use: the package itself imports no torch."""
    if name == "ACN":
        from wstal.methods.acn.network import ACN

        return ACN
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
