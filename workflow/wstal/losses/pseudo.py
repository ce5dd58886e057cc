"""Pseudo localization (CAVF, section 3.4, Eq. 9): a snippet learns what its neighbours agree on."""

from __future__ import annotations

import torch
from torch import Tensor

from wstal.losses.mil import EPS
from wstal.losses.window import mean_over_snippets, windowed_mean


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
