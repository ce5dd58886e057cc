"""One training batch."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from torch import Tensor

NOTHING: Mapping[str, Tensor] = MappingProxyType({})


class Batch(NamedTuple):
    """Features and video-level labels; videos 2i and 2i+1 share a class for i < pairs.

    `mask` is true where a snippet is the video's own, None where no video is padded; what is
    padded is zero. `upstream` holds what the run named by `scores_from` says of these videos,
    by its names in the score file: `cas*` and `attention*` `[B, T, ...]`, `video_score*` `[B, C]`.
    `progress` is the share of the training that lies behind, in [0, 1).
    """

    features: Tensor  # [B, T, D]
    labels: Tensor  # [B, C], 0 or 1, without background
    pairs: int = 0
    mask: Tensor | None = None  # bool [B, T]
    upstream: Mapping[str, Tensor] = NOTHING
    progress: float = 0.0
