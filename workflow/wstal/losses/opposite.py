"""Attention is the opposite of the background's probability (paper: oppo, code: guide)."""

from __future__ import annotations

from torch import Tensor


def opposite_loss(attentions: Tensor, cas: Tensor) -> Tensor:
    """Mean |1 - A - p_background| over stacked attentions `[N, B, T]`.

    p_background is the last of the softmax over C+1 of the unsuppressed logits `[B, T, C+1]`;
    gradient flows to both sides.
    """
    background = cas.softmax(-1)[..., -1]
    return (1 - attentions - background).abs().mean()
