"""A run that starts from the weights of another (`init_from`)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from wstal.data.digest import data_digest
from wstal.errors import WstalError


@torch.no_grad()
def initialize(model: nn.Module, weights: Mapping[str, Tensor]) -> list[str]:
    """Copy the weights that the model has under the same name and shape; say which it lacks.

    Raises WstalError if there is none: the runs are of different kinds.
    """
    own = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    shared = {n: v for n, v in weights.items() if n in own and own[n].shape == v.shape}
    if not shared:
        raise WstalError(
            "init_from: no weight of that run has the name and shape of one of this run's; "
            "name a run of the same method and widths"
        )
    for name, value in shared.items():
        own[name].copy_(value)
    left = sorted(set(own) - set(shared))
    return [f"not in the run this one starts from, drawn anew: {', '.join(left)}"] if left else []


def weights_digest(weights: Mapping[str, Tensor]) -> str:
    """One text that stands for a model's weights."""
    return data_digest(
        part for name, value in weights.items() for part in (name, value.cpu().numpy())
    )
