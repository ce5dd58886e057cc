"""A fixed number of snippets of a video for a network, and its outputs back on all snippets."""

from __future__ import annotations

import torch
from torch import Tensor


def uniform_snippets(length: int, count: int, device: torch.device | str = "cpu") -> Tensor:
    """Return floor(i length / count), ascending int64 `[count]`; a shorter video repeats some."""
    return torch.arange(count, device=device) * length // count


def at_snippets(sampled: Tensor, index: Tensor, length: int) -> Tensor:
    """Put values of samples `[B, S, ...]`, drawn at snippets `index` `[S]`, on all snippets.

    `index` ascends and starts at 0. A snippet that several samples were drawn at gets their
    mean, one that was passed over is interpolated between its neighbours, and after the last sample
    its value is repeated: `[B, length, ...]`.
    """
    total = sampled.new_zeros(sampled.shape[0], length, *sampled.shape[2:])
    count = torch.bincount(index, minlength=length).clamp_min(1)
    shape = (1, length, *[1] * (sampled.dim() - 2))
    mean = total.index_add(1, index, sampled) / count.view(shape)
    snippets = torch.arange(length, device=index.device)
    last = torch.searchsorted(index, snippets, right=True) - 1
    before, after = index[last], index[(last + 1).clamp_max(len(index) - 1)]
    way = (snippets - before) / (after - before).clamp_min(1)
    return mean[:, before].lerp(mean[:, after], way.to(mean.dtype).view(shape))
