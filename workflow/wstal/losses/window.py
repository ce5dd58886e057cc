"""Weighted means over a snippet's neighbours in time."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def gaussian(neighbours: int, sigma: float, *, normalize: bool = True) -> Tensor:
    """Weights `[neighbours + 1]` of a snippet and its neighbours on both sides, sum 1.

    Without `normalize` the peak is 1 / (neighbours + 1), as CAVF prints it: the sum is then
    less than 1, and whatever is drawn to such a mean is drawn to 0.
    """
    offset = torch.arange(neighbours + 1) - neighbours / 2
    weights = torch.exp(-(offset**2) / (2 * sigma**2))
    return weights / (weights.sum() if normalize else neighbours + 1)


def uniform(neighbours: int) -> Tensor:
    """Equal weights `[neighbours + 1]`, sum 1."""
    return torch.full((neighbours + 1,), 1 / (neighbours + 1))


def windowed_mean(x: Tensor, weights: Tensor, mask: Tensor | None = None) -> Tensor:
    """Each snippet's weighted sum with its neighbours: `[B, T, K]`, `[W]` -> `[B, T, K]`.

    W is odd. Beyond a video's ends there is nothing: the weights of the neighbours that exist
    (`mask` `[B, T]` is true for them) are scaled up to the sum of all.
    """
    valid = x.new_ones(x.shape[:2]) if mask is None else mask.to(x.dtype)
    kernel = weights.to(x)
    total = _convolved((x * valid[..., None]).mT, kernel).mT
    there = _convolved(valid[:, None], kernel).mT
    # A padded snippet may have no neighbour at all: nothing, and it does not matter.
    return total * (kernel.sum() / there.clamp_min(torch.finfo(x.dtype).tiny))


def mean_over_snippets(x: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean of `[B, T]` over each video's own snippets, then over videos."""
    if mask is None:
        return x.mean(1).mean()
    return ((x * mask).sum(1) / mask.sum(1)).mean()


def _convolved(rows: Tensor, kernel: Tensor) -> Tensor:
    """Every row of `[B, K, T]` with a symmetric kernel `[W]`, zeros beyond its ends."""
    half, length = len(kernel) // 2, rows.shape[-1]
    padded = functional.pad(rows, (half, half))
    taps = (padded[..., i : i + length] * weight for i, weight in enumerate(kernel))
    return sum(taps, torch.zeros_like(rows))
