"""Multiple-instance learning: a video is classified by its k strongest snippets per class.

`opposite_loss` (CO2-Net: oppo, TS-SAM: guide) makes attention the opposite of the background's
probability.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Suppression = Literal["anchored", "product"]
EPS = 1e-7  # inside the logarithm of a probability


def snippets_kept(
    length: int, divisor: int, mask: Tensor | None = None, *, round_up: bool = False
) -> int | Tensor:
    """k = max(1, floor(T / divisor)), or ceil with `round_up` (W-TALC).

    With a mask `[B, T]` of what is no padding, int64 `[B]`: each video by its own length.
    """
    if mask is not None:
        lengths = mask.sum(1) + (divisor - 1 if round_up else 0)
        return (lengths // divisor).clamp_min(1)
    return max(1, -(-length // divisor) if round_up else length // divisor)


def suppress(cas: Tensor, attention: Tensor, mode: Suppression) -> Tensor:
    """Background-suppressed class activation sequence `[B, T, C+1]` from attention `[B, T]`.

    `anchored` pulls each snippet's logits towards the smallest of them, m: A (S - m) + m, with
    gradient through m and A. differs from paper: Eq. 9 is the plain product A S (`product`),
    which the official code uses at test time only.
    """
    if mode == "product":
        return attention.unsqueeze(-1) * cas
    floor = cas.amin(-1, keepdim=True)
    return attention.unsqueeze(-1) * (cas - floor) + floor


def video_logits(cas: Tensor, k: int | Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean of the k largest values over time, each class its own: `[B, T, C] -> [B, C]`.

    The class axis is moved inward so that one selection over contiguous memory serves all.
    With a mask `[B, T]`, k is `[B]` and padding is never among a video's largest.
    """
    rows = cas.mT.contiguous()
    if mask is None:
        return rows.topk(k, dim=-1, sorted=False).values.mean(-1)
    ordered = rows.masked_fill(~mask[:, None], -torch.inf).sort(-1, descending=True).values
    beyond = torch.arange(cas.shape[1], device=cas.device) >= k[:, None]
    return ordered.masked_fill(beyond[:, None], 0).sum(-1) / k[:, None]


def probability_loss(probabilities: Tensor, targets: Tensor, eps: float = EPS) -> Tensor:
    """-sum_c y_c log(p_c + eps), mean over the batch, for `[B, C+1]` each.

    Targets are brought to sum 1; a video without any target adds nothing.
    """
    targets = targets / targets.sum(1, keepdim=True).clamp_min(1)
    return -(targets * (probabilities + eps).log()).sum(1).mean()


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
