"""The optimizer of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from wstal.errors import WstalError


def build_optimizer(model: nn.Module, settings: Mapping[str, Any]) -> torch.optim.Optimizer:
    """Adam, SGD (weight decay as an L2 term) or AdamW (decoupled), in torch's single fused pass.

    Weights that are not to be trained stay out. Raises WstalError for an unknown optimizer.
    """
    kind, options = settings["optimizer"], {"weight_decay": settings["weight_decay"]}
    kinds = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}
    if kind not in kinds:
        raise WstalError(f"optimizer {kind!r} is not one of {', '.join(kinds)}")
    if kind == "sgd":
        options["momentum"] = settings["momentum"]
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    # A run that only passes scores on has nothing to train, which torch's optimizers refuse.
    trained = trained or [torch.zeros(1, requires_grad=True)]
    return kinds[kind](trained, lr=settings["lr"], fused=True, **options)


def learning_rate(settings: Mapping[str, Any], progress: float) -> float:
    """The rate after the share `progress` of the training: `lr` times `factor` per step passed."""
    schedule = settings["schedule"]
    if schedule is None:
        return settings["lr"]
    passed = sum(progress >= at for at in schedule["at"])
    return settings["lr"] * schedule["factor"] ** passed
