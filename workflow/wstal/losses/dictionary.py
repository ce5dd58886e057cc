"""Semantic loss: a snippet's features lie near the dictionary entry of its class (TS-SAM)."""

from __future__ import annotations

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
