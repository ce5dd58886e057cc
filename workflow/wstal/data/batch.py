"""One training batch."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Batch(NamedTuple):
    """Features and video-level labels; videos 2i and 2i+1 share a class for i < pairs."""

    features: Tensor  # [B, T, D]
    labels: Tensor  # [B, C], 0 or 1, without background
    pairs: int = 0
