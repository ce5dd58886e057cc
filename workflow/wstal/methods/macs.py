"""Cost of a network: its multiply-accumulates per snippet, counted on the network itself."""

from __future__ import annotations

import logging
from typing import NamedTuple

import torch
from fvcore.nn import FlopCountAnalysis
from torch import nn

LAYERS = ("linear", "conv")  # operators with weights; the others multiply activations


class Macs(NamedTuple):
    """Multiply-accumulates per snippet, additions of biases left out."""

    layers: float  # of products with weights, as papers print them
    total: float  # with products between snippets, which grow with a video's length


def count_macs(model: nn.Module, dim: int, length: int) -> Macs:
    """Count one video of `length` snippets of width `dim` through the network, per snippet.

    The network is left in double precision and in evaluation mode, where it takes routes that the
    counter can follow, with the same products.
    """
    logging.getLogger("fvcore.nn.jit_analysis").setLevel(logging.ERROR)  # element-wise operators
    counted = FlopCountAnalysis(model.double().eval(), torch.zeros(1, length, dim).double())
    operators = counted.by_operator()  # fvcore's "flop" is one multiply-accumulate
    weights = sum(operators[name] for name in LAYERS)
    return Macs(weights / length, sum(operators.values()) / length)
