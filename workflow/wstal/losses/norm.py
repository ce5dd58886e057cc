"""Sparsity of attention."""

from __future__ import annotations

from torch import Tensor

from wstal.errors import WstalError


def norm_loss(attentions: Tensor, reduction: str = "mean") -> Tensor:
    """Mean attention over snippets, videos and the stacked attentions `[N, B, T]`.

    differs from paper: it writes the L1 norm, a sum over time (`l1`); the official code takes
    the mean.
    """
    if reduction == "mean":
        return attentions.abs().mean()
    if reduction == "l1":
        return attentions.abs().sum(-1).mean()
    raise WstalError(f"norm {reduction!r} is not one of mean, l1")
