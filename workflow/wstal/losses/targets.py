"""What a video's classes are under each of three attentions (ACM-Net, TS-SAM)."""

from __future__ import annotations

import torch
from torch import Tensor


def attention_targets(labels: Tensor) -> Tensor:
    """Targets under foreground, context and background: `[B, C]` -> 0 or 1 `[B, 3, C+1]`.

    Foreground shows the video's actions and no background, context both, background only itself.
    """
    zero, one = labels.new_zeros(len(labels), 1), labels.new_ones(len(labels), 1)
    foreground = torch.cat([labels, zero], 1)
    context = torch.cat([labels, one], 1)
    background = torch.cat([torch.zeros_like(labels), one], 1)
    return torch.stack([foreground, context, background], 1)
