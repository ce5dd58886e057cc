"""Weighted means over a snippet's neighbours in time."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from wstal.losses.mil import EPS


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


# FOLDED Foreground continuity (CAVF, section 3.4, Eq. 6-8): neighbours in time are alike.


def continuity_loss(
    foreground: Tensor,
    probabilities: Tensor,
    labels: Tensor,
    weights: Tensor,
    mask: Tensor | None = None,
) -> Tensor:
    """Mean |mu - G mu| + |mu - G (mu p_ac(y))| over snippets and videos.

    foreground mu `[B, T]`; probabilities `[B, T, C+1]`, whose classes hold mu p_ac; labels
    `[B, C]`, of which the probabilities are added up where a video has several (a reading: the
    paper writes one). A video without any is drawn to mu = 0. `weights` is the window G. Both
    sides learn: the paper mentions no stop of the gradient.
    """
    of_labels = (probabilities[..., :-1] * labels[:, None]).sum(-1)
    smooth = windowed_mean(torch.stack([foreground, of_labels], -1), weights, mask)  # Eq. 7 and 8
    apart = (foreground[..., None] - smooth).abs().sum(-1)  # Eq. 6
    return mean_over_snippets(apart, mask)


# FOLDED Pseudo localization (CAVF, section 3.4, Eq. 9): a snippet learns what its neighbours agree on.


def agreed_class(
    probabilities: Tensor, weights: Tensor, threshold: float, mask: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The likeliest class `[B, T]` of each neighbourhood and where it is likely enough `[B, T]`.

    A neighbourhood's probabilities are the mean of its snippets' `[B, T, C+1]`; enough is at
    least `threshold`. Background is a class like the others. Nothing learns through this.
    """
    value, label = windowed_mean(probabilities.detach(), weights, mask).max(-1)
    active = value >= threshold
    return label, active if mask is None else active & mask


def pseudo_loss(
    probabilities: Tensor, label: Tensor, active: Tensor, mask: Tensor | None = None
) -> Tensor:
    """Mean over all snippets of -log p(label) where `active`, 0 elsewhere, then over videos.

    differs from paper: its appendix B.1 says that the term acts where neighbours do *not*
    agree; Eq. 9 has the opposite and is followed.
    """
    found = probabilities.gather(-1, label[..., None]).squeeze(-1)
    return mean_over_snippets(-torch.log(found + EPS) * active, mask)


def active_share(active: Tensor, mask: Tensor | None = None) -> Tensor:
    """The share of the batch's snippets on which the term acts (appendix B.1)."""
    return active.float().mean() if mask is None else active.sum() / mask.sum()
