"""Features brought to zero mean and unit spread per channel, or left as they are."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from wstal.errors import WstalError

MODES = ("none", "train")


class Standardization(NamedTuple):
    """Per-channel shift and scale `[D]`; empty tensors change nothing."""

    mean: Tensor
    scale: Tensor

    @classmethod
    def of(cls, rows: Tensor, mode: str = "none") -> Standardization:
        """Statistics of the training rows `[N, D]`: `train`, or `none` for no change.

        A constant channel is only shifted.
        """
        if mode not in MODES:
            raise WstalError(f"standardize {mode!r} is not one of {', '.join(MODES)}")
        if mode == "none":
            return cls(torch.empty(0), torch.empty(0))
        scale = rows.std(0, unbiased=False)
        return cls(rows.mean(0), torch.where(scale > 1e-6, scale, 1.0))

    def __call__(self, x: Tensor) -> Tensor:
        """Apply to `[..., D]`."""
        if not len(self.mean):
            return x
        return (x - self.mean.to(x)) / self.scale.to(x)
