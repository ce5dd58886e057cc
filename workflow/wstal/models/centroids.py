"""What the training features of each class look like on average."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def class_centroids(rows: Tensor, lengths: np.ndarray, labels: Tensor) -> Tensor:
    """Mean features per class and of everything: `[C+1, D]`, background last.

    rows `[N, D]` are the snippets of all videos one after the other, lengths `[V]`, labels
    `[V, C]`. A class is the mean over its videos of their mean features, so that long videos
    count no more than short ones; the background, which no label marks, is the mean of all
    snippets, and so is a class without videos.
    """
    counts = torch.as_tensor(lengths, device=rows.device)
    owner = torch.repeat_interleave(torch.arange(len(counts), device=rows.device), counts)
    sums = rows.new_zeros(len(counts), rows.shape[1]).index_add(0, owner, rows)
    means = sums / counts[:, None]
    videos = labels.sum(0)[:, None]
    everything = sums.sum(0) / len(rows)
    classes = torch.where(videos > 0, labels.mT @ means / videos.clamp_min(1), everything)
    return torch.cat([classes, everything[None]])
