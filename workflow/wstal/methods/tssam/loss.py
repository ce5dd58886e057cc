"""Semantic loss: a snippet's features lie near the dictionary entry of its class (TS-SAM)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

EPS = 1e-12  # under the root, so that a snippet on its entry has a gradient


def dictionary_loss(features: Tensor, dictionary: Tensor, logits: Tensor) -> Tensor:
    """Mean over snippets of || x_t - Q[argmax_c p_t] ||, unsquared (TS-SAM, Eq. 6).

    features `[B, T, D]`, dictionary `[C+1, D]`, logits `[B, T, C+1]` of which the largest, the
    background's too, names the entry. Gradient flows to the features and the dictionary, none to
    the logits.
    """
    entries = functional.embedding(logits.argmax(-1), dictionary)
    return ((features - entries).square().sum(-1) + EPS).sqrt().mean()


def warmup_factor(progress: float, share: float) -> float:
    """A weight's factor: from 0 to 1 on a line over the first `share` of training, then 1."""
    return min(1.0, progress / share) if share else 1.0


# FOLDED What a video's classes are under each of three attentions (ACM-Net, TS-SAM).


def attention_targets(labels: Tensor) -> Tensor:
    """Targets under foreground, context and background: `[B, C]` -> 0 or 1 `[B, 3, C+1]`.

    Foreground shows the video's actions and no background, context both, background only itself.
    """
    zero, one = labels.new_zeros(len(labels), 1), labels.new_ones(len(labels), 1)
    foreground = torch.cat([labels, zero], 1)
    context = torch.cat([labels, one], 1)
    background = torch.cat([torch.zeros_like(labels), one], 1)
    return torch.stack([foreground, context, background], 1)
