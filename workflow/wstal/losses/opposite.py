"""Attention is the opposite of the background's probability (CO2-Net: oppo, TS-SAM: guide)."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

Background = Literal["probability", "logit"]
Reduction = Literal["mean", "sum"]


def opposite_loss(
    attentions: Tensor,
    cas: Tensor,
    *,
    background: Background = "probability",
    reduction: Reduction = "mean",
    detach: bool = False,
) -> Tensor:
    """Mean |1 - A - background| over stacked attentions `[N, B, T]`, cas `[B, T, C+1]` logits.

    The background is the last of the softmax over C+1 (`probability`), or the last `logit` as it
    is, as TS-SAM's Eq. 7 literally says. `reduction` over time: `mean` (CO2-Net's code, TS-SAM) or
    `sum` (ACM-Net's code); always the mean over videos and attentions. Gradient flows to both
    sides; with `detach` not to the attentions (ACM-Net's code).
    """
    last = (cas.softmax(-1) if background == "probability" else cas)[..., -1]
    gap = (1 - (attentions.detach() if detach else attentions) - last).abs()
    return gap.mean() if reduction == "mean" else gap.sum(-1).mean()
