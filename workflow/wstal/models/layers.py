"""Layers over time shared by the models; sequences are time-major, `[B, T, D]`."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from wstal.models.winograd import conv3, worthwhile

SLOPE = 0.2  # of every leaky ReLU of the HAM-Net family


class TemporalConv(nn.Module):
    """Convolution over time, stride 1, zero-padded to the same length: `[B, T, D] -> [B, T, E]`.

    The weight has torch's Conv1d layout `[E, D, kernel]`. Width-3 kernels take the Winograd
    route where it pays (long float32 sequences on the CPU), with the same result to rounding.
    """

    def __init__(self, channels: int, out_channels: int, kernel: int = 3) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(out_channels, channels, kernel))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        nn.init.kaiming_uniform_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """`[B, T, D] -> [B, T, E]`."""
        if worthwhile(x, self.weight):
            return conv3(x, self.weight, self.bias)
        if self.weight.shape[2] == 1:
            return functional.linear(x, self.weight[:, :, 0], self.bias)
        padding = self.weight.shape[2] // 2
        return functional.conv1d(x.mT, self.weight, self.bias, padding=padding).mT


class AttentionUnit(nn.Module):
    """Three convolutions and a sigmoid: foreground attention `[B, T]` of a sequence `[B, T, D]`.

    differs from paper: section 3.2 speaks of two convolutions, sections 3.4 and 4.2 and the
    official code of three; dropout is 0.5 here (paper: 0.7) and also falls on the logit, so
    that in training half of the snippets have an attention of exactly 0.5. `logit_dropout=0`
    switches that off.
    """

    def __init__(
        self, channels: int, hidden: int, *, dropout: float = 0.5, logit_dropout: float = 0.5
    ) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            TemporalConv(channels, hidden),
            nn.LeakyReLU(SLOPE),
            nn.Dropout(dropout),
            TemporalConv(hidden, hidden),
            nn.LeakyReLU(SLOPE),
            TemporalConv(hidden, 1, kernel=1),
            nn.Dropout(logit_dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        """`[B, T, D] -> [B, T]`."""
        return self.layers(x).squeeze(-1).sigmoid()


def linear_as_centre_tap(channels: int, out_channels: int) -> nn.Linear:
    """The linear layer that a zero-padded width-3 convolution is on a sequence of length one.

    Only the centre tap ever meets data; the initial range is still that of the convolution
    (fan-in 3 D), which is what the official code starts from.
    """
    layer = nn.Linear(channels, out_channels)
    bound = math.sqrt(6 / (3 * channels))
    nn.init.uniform_(layer.weight, -bound, bound)
    nn.init.zeros_(layer.bias)
    return layer


def average_over_time(x: Tensor, kernel: int) -> Tensor:
    """Moving average over time of `[B, T, D]` or `[B, T]`, zeros counted at the edges."""
    if kernel == 1:
        return x
    rows = x.unsqueeze(1) if x.dim() == 2 else x.mT
    pooled = functional.avg_pool1d(rows, kernel, stride=1, padding=kernel // 2)
    return pooled.squeeze(1) if x.dim() == 2 else pooled.mT
