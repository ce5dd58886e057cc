"""Mutual learning: each stream's attention is drawn to the other's (CO2-Net, Table 4)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from wstal.base.errors import WstalError

DISTANCES = ("mse", "mae", "kl", "js")


def mutual_loss(first: Tensor, second: Tensor, distance: str = "mse") -> Tensor:
    """Half the distance of each attention `[B, T]` to the other, which is held fixed.

    `kl` and `js` take each snippet's attention as a Bernoulli probability (a reading: the paper
    does not say over what they are taken); `kl` runs from the fixed attention to the learning
    one, as in deep mutual learning.
    """
    if distance not in DISTANCES:
        raise WstalError(f"mutual distance {distance!r} is not one of {', '.join(DISTANCES)}")
    measure = {"mse": functional.mse_loss, "mae": functional.l1_loss, "kl": _kl, "js": _js}
    towards_second = measure[distance](first, second.detach())
    towards_first = measure[distance](second, first.detach())
    return 0.5 * towards_second + 0.5 * towards_first


def _bernoulli_kl(p: Tensor, q: Tensor) -> Tensor:
    """KL(p || q) of Bernoulli probabilities, elementwise, finite at 0 and 1."""
    p, q = _inside(p), _inside(q)
    return p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()


def _inside(p: Tensor) -> Tensor:
    """Values kept off 0 and 1, gradients as they come.

    A clamp alone has no gradient beyond its bounds: saturated attentions would be lost.
    """
    tiny = torch.finfo(p.dtype).eps
    return p + (p.clamp(tiny, 1 - tiny) - p).detach()


def _kl(learning: Tensor, fixed: Tensor) -> Tensor:
    return _bernoulli_kl(fixed, learning).mean()


def _js(learning: Tensor, fixed: Tensor) -> Tensor:
    middle = (learning + fixed) / 2
    return (_bernoulli_kl(learning, middle) + _bernoulli_kl(fixed, middle)).mean() / 2


# FOLDED Sparsity of attention.


def norm_loss(attentions: Tensor, reduction: str = "mean") -> Tensor:
    """Mean attention over snippets, videos and the stacked attentions `[N, B, T]`.

    differs from paper: it writes the L1 norm, a sum over time (`l1`); the official code takes
    the mean.
    """
    if reduction == "mean":
        return attentions.abs().mean()
    if reduction == "l1":
        return attentions.abs().sum(-1).mean()
    raise WstalError(f"norm {reduction!r} is not one of mean, l1")
