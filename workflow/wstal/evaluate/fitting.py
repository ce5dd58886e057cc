"""Protocols that count snippets must fit the features' snippets."""

from __future__ import annotations

from collections.abc import Callable

from wstal.errors import WstalError
from wstal.evaluate.protocol_file import read_protocol
from wstal.evaluate.protocols import Protocol

Grid = tuple[float | None, float | None]  # step and start of the features in seconds, if known


def fitting_protocol(source: str, grid: Grid) -> Protocol:
    """The protocol of a name, file or JSON; raises WstalError if the features do not suit it."""
    protocol = read_protocol(source)
    if reason := protocol.misfit(*grid):
        raise WstalError(reason)
    return protocol


def fitting_paper(source: str | None, grid: Grid, tell: Callable[[str], object]) -> Protocol | None:
    """The protocol of the paper reading; None, which `tell` is told, if the features do not suit.

    A paper that scored whole snippets of its own features cannot be followed on others.
    """
    paper = read_protocol(source) if source else None
    if paper and (reason := paper.misfit(*grid)):
        tell(f"the paper reading is scored by the dataset's own protocol: {reason}")
        return None
    return paper
