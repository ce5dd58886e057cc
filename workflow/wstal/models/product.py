"""Matrix products on the CPU by the faster of the two libraries that torch brings.

torch sends float32 products to MKL, which leaves the wide vector units of AMD processors idle;
oneDNN, which torch uses for convolutions, does not (2.2 times faster there). Its entry point is
the operator that torch's compiler emits; where it is absent the usual one serves.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

ONEDNN = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
LARGE = 1 << 22  # multiplications; below, calling costs more than computing


def product(x: Tensor, weight: Tensor) -> Tensor:
    """`[M, K]` times the transpose of `[N, K]`, without autograd."""
    if ONEDNN and x.device.type == "cpu" and x.dtype == torch.float32:
        return torch.ops.mkldnn._linear_pointwise(x, weight, None, "none", [], "")
    return functional.linear(x, weight)


def linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """`[..., D]`, `[E, D]`, `[E]` -> `[..., E]`, with gradients."""
    direct = (
        x.device.type != "cpu"
        or x.dtype != torch.float32
        or torch.is_autocast_enabled("cpu")
        or x.numel() * len(weight) < LARGE
    )
    return functional.linear(x, weight, bias) if direct else _Linear.apply(x, weight, bias)


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        out = product(x.flatten(0, -2), weight)
        return out.add_(bias).view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        gradient = gradient.flatten(0, -2)
        grad_x = grad_weight = grad_bias = None
        if ctx.needs_input_grad[0]:
            grad_x = product(gradient, weight.t()).view(x.shape)
        if ctx.needs_input_grad[1]:
            grad_weight = product(gradient.t(), x.flatten(0, -2).t())
        if ctx.needs_input_grad[2]:
            grad_bias = gradient.sum(0)
        return grad_x, grad_weight, grad_bias
