"""The optimizer of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from wstal.errors import WstalError


def build_optimizer(model: nn.Module, settings: Mapping[str, Any]) -> torch.optim.Optimizer:
    """Adam (weight decay as an L2 term) or AdamW (decoupled), in torch's single fused pass."""
    kinds = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    if settings["optimizer"] not in kinds:
        raise WstalError(f"optimizer {settings['optimizer']!r} is not one of {', '.join(kinds)}")
    return kinds[settings["optimizer"]](
        model.parameters(), lr=settings["lr"], weight_decay=settings["weight_decay"], fused=True
    )
