"""Dropout that does not spend a training step's time on random numbers."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

LEVELS = 1 << 16


class Dropout(nn.Module):
    """Zeroes elements with probability `p` in training and scales the others by 1 / (1 - p).

    On the CPU torch draws one number per element, slowly; here 16 random bits decide, so that p
    is met to within 1/131072 (the scale is exact for the probability used). The bits come from a
    generator seeded by torch's own, whose state alone therefore fixes the run.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        if not self.training or self.p == 0:
            return x
        if x.device.type != "cpu":
            return functional.dropout(x, self.p)
        return x * keep_factors(x, self.p)


def keep_factors(x: Tensor, p: float) -> Tensor:
    """Draw the factors of dropout, 0 or 1 / (1 - p), in the shape of `x`."""
    dropped = min(round(p * LEVELS), LEVELS - 1)
    seed = int(torch.randint(2**63 - 1, ()))
    words = np.random.SFC64(seed).random_raw(-(-x.numel() // 4))
    bits = torch.from_numpy(words.view(np.int16))[: x.numel()].view(x.shape)
    factors = torch.empty(x.shape, dtype=x.dtype)
    torch.ge(bits, dropped - LEVELS // 2, out=factors)
    return factors.mul_(LEVELS / (LEVELS - dropped))
