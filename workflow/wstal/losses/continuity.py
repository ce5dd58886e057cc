"""Foreground continuity (CAVF, section 3.4, Eq. 6-8): neighbours in time are alike."""

from __future__ import annotations

import torch
from torch import Tensor

from wstal.losses.window import mean_over_snippets, windowed_mean


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
