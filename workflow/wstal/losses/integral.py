"""Integrals of sequences between fractional boundaries, from prefix sums.

Snippet t covers [t, t+1), so the inclusive range of snippets a..b is the interval [a, b+1). The
derivative of an integral by a boundary is the sequence's value there.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def prefix_sums(x: Tensor) -> Tensor:
    """`[M, T] -> [M, T+1]` float64: sums of the first 0, 1, .., T values."""
    return functional.pad(x.double().cumsum(1), (1, 0))


def between(prefix: Tensor, start: Tensor, stop: Tensor) -> Tensor:
    """Integral over [start, stop) per row: `[M, T+1]` and positions `[M, ...]` -> `[M, ...]`.

    The sequence is constant within a snippet and zero beyond its ends.
    """
    return _interpolated(prefix, stop) - _interpolated(prefix, start)


def _interpolated(prefix: Tensor, position: Tensor) -> Tensor:
    left, share = split(position, prefix.shape[1] - 1)
    rows, shape = left.flatten(1), left.shape
    low, high = prefix.gather(1, rows), prefix.gather(1, rows + 1)
    return low.view(shape).lerp(high.view(shape), share)


def split(position: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """The snippet (int64) that a position lies in and the share of it that lies before (0..1).

    Positions are brought into [0, length] first. Differentiable in the share.
    """
    inside = position.double().clamp(0, length)
    left = inside.detach().floor().clamp(max=length - 1)
    return left.to(torch.int64), inside - left
