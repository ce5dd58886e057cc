"""Co-activity similarity (W-TALC): videos of one class look alike where that class is active."""

from __future__ import annotations

import torch
from torch import Tensor


def coactivity_loss(
    features: Tensor,
    cas: Tensor,
    labels: Tensor,
    pairs: int,
    margin: float = 0.5,
    mask: Tensor | None = None,
) -> Tensor:
    """Hinge loss over the pairs (0, 1), (2, 3), ... of a batch and the classes they share.

    features `[B, T, D]`, cas `[B, T, C+1]` (of which the background takes no part), labels
    `[B, C]`. Per class, H is the mean feature under the class's softmax over time and L that
    under its complement; the two H shall be closer to each other, in cosine distance, than
    either is to the other video's L, by `margin`. Mean over all shared (pair, class).
    Without a shared class the loss is 0. T is at least 2: of one snippet L would be nothing.
    With a mask `[B, T]` padding takes no part.
    """
    videos, classes = 2 * pairs, labels.shape[1]
    shared = labels[0:videos:2] * labels[1:videos:2]  # [P, C]
    x, activity = features[:videos], cas[:videos, :, :classes]
    others: int | Tensor = max(x.shape[1] - 1, 1)
    if mask is not None:
        valid = mask[:videos, :, None]
        x, activity = x * valid, activity.masked_fill(~valid, -torch.inf)
        others = (valid.sum(1, keepdim=True) - 1).clamp_min(1)
    weight = activity.softmax(1)  # over time
    high = weight.mT @ x  # [2P, C, D]
    low = (x.sum(1, keepdim=True) - high) / others  # of (1 - a) x, without a second product
    first, second = high[0::2], high[1::2]
    attract = _distance(first, second)
    repel = _distance(first, low[1::2]), _distance(second, low[0::2])
    hinges = sum((attract - away + margin).clamp_min(0) for away in repel) / 2
    return (hinges * shared).sum() / shared.sum().clamp_min(1)


def _distance(a: Tensor, b: Tensor) -> Tensor:
    """Cosine distance over the last axis. No epsilon, as in the official code.

    It is 1, without gradient, where one side is zero (features given as zeros for lack of sound).
    """
    product, lengths = (a * b).sum(-1), a.norm(dim=-1) * b.norm(dim=-1)
    some = lengths > 0
    return 1 - (product / lengths.where(some, 1)).where(some, 0)
