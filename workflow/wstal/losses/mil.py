"""Multiple-instance learning: a video is classified by its k strongest snippets per class."""

from __future__ import annotations

import torch
from torch import Tensor

from wstal.errors import WstalError


def snippets_kept(length: int, divisor: int) -> int:
    """k = max(1, floor(T / divisor))."""
    return max(1, length // divisor)


def suppress(cas: Tensor, attention: Tensor, mode: str = "anchored") -> Tensor:
    """Background-suppressed class activation sequence `[B, T, C+1]` from attention `[B, T]`.

    `anchored` pulls each snippet's logits towards the smallest of them, m: A (S - m) + m, with
    gradient through m and A. differs from paper: Eq. 9 is the plain product A S (`product`),
    which the official code uses at test time only.
    """
    if mode == "product":
        return attention.unsqueeze(-1) * cas
    if mode != "anchored":
        raise WstalError(f"suppression {mode!r} is not one of anchored, product")
    floor = cas.amin(-1, keepdim=True)
    return attention.unsqueeze(-1) * (cas - floor) + floor


def video_logits(cas: Tensor, k: int) -> Tensor:
    """Mean of the k largest values over time, each class its own: `[B, T, C] -> [B, C]`.

    The class axis is moved inward so that one selection over contiguous memory serves all.
    """
    return cas.mT.contiguous().topk(k, dim=-1, sorted=False).values.mean(-1)


def mil_loss(cas: Tensor, labels: Tensor, k: int, *, background: float) -> Tensor:
    """Cross-entropy of the video-level prediction, mean over the batch.

    cas `[B, T, C+1]` logits, labels `[B, C]`; `background` is the target of the last class: 1
    for the original sequence (every untrimmed video has background), 0 for the suppressed one.
    differs from paper: it does not state these background targets; the code has them.
    """
    target = torch.cat([labels, labels.new_full((len(labels), 1), background)], 1)
    target = target / (target.sum(1, keepdim=True) + 1e-4)
    return -(target * video_logits(cas, k).log_softmax(1)).sum(1).mean()
