"""Batch norm of an evaluated network folded into its convolutions: fewer passes, same numbers."""

from __future__ import annotations

import copy

import torch
from torch import nn


def fold_batchnorm(network: nn.Module) -> nn.Module:
    """A copy of `network` for inference in which every `conv3d`, `bn` pair is one convolution.

    With s = gamma / sqrt(var + eps): weight' = s weight, bias' = beta - s mean (+ s bias). It is
    computed in float64, so that what remains is rounding (1e-5 relative).
    """
    folded = copy.deepcopy(network).eval().requires_grad_(False)
    for module in folded.modules():
        conv, norm = getattr(module, "conv3d", None), getattr(module, "bn", None)
        if not (isinstance(conv, nn.Conv3d) and isinstance(norm, nn.BatchNorm3d)):
            continue
        scale = norm.weight.double() / torch.sqrt(norm.running_var.double() + norm.eps)
        bias = norm.bias.double() - scale * norm.running_mean.double()
        if conv.bias is not None:
            bias = bias + scale * conv.bias.double()
        weight = conv.weight.double() * scale[:, None, None, None, None]
        conv.weight = nn.Parameter(weight.to(conv.weight.dtype), requires_grad=False)
        conv.bias = nn.Parameter(bias.to(conv.weight.dtype), requires_grad=False)
        module.bn = nn.Identity()
    return folded
