"""Layers over time shared by the models; sequences are time-major, `[B, T, D]`."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from wstal.layers.convolution import conv3, linear, worthwhile

# FOLDED Dropout that does not spend a training step's time on random numbers.

LEVELS = 1 << 16


class Dropout(nn.Module):
    """Zeroes elements with probability `p` in training and scales the others by 1 / (1 - p).

    On the CPU torch draws one number per element, slowly; here 16 random bits decide, so that p
    is met to within 1/131072 (the scale is exact for the probability used). The bits come from a
    generator seeded by torch's own, whose state alone therefore fixes the run.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        if not self.training or self.p == 0:
            return x
        if x.device.type != "cpu":
            return functional.dropout(x, self.p)
        return x * keep_factors(x, self.p)


def keep_factors(x: Tensor, p: float) -> Tensor:
    """What dropout multiplies by: 0 or 1 / (1 - p), drawn anew, with the shape of `x`."""
    dropped = min(round(p * LEVELS), LEVELS - 1)
    seed = int(torch.randint(2**63 - 1, ()))
    words = np.random.SFC64(seed).random_raw(-(-x.numel() // 4))
    bits = torch.from_numpy(words.view(np.int16))[: x.numel()].view(x.shape)
    factors = torch.empty(x.shape, dtype=x.dtype)
    torch.ge(bits, dropped - LEVELS // 2, out=factors)
    return factors.mul_(LEVELS / (LEVELS - dropped))


SLOPE = 0.2  # of every leaky ReLU of the HAM-Net family


class TemporalConv(nn.Module):
    """Convolution over time, stride 1, zero-padded to the same length: `[B, T, D] -> [B, T, E]`.

    The weight is tap-major, `[kernel, E, D]`; its taps lie `dilation` snippets apart. On the CPU
    long sequences take Winograd's route (where the taps are neighbours) and others one matrix
    product over windows: the same result to rounding, and faster.
    """

    def __init__(
        self, channels: int, out_channels: int, kernel: int = 3, *, dilation: int = 1
    ) -> None:
        super().__init__()
        self.dilation = dilation
        self.weight = nn.Parameter(torch.empty(kernel, out_channels, channels))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        bound = he_bound(kernel * channels)
        nn.init.uniform_(self.weight, -bound, bound)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """`[B, T, D] -> [B, T, E]`; zero, and not computed, where `mask [B, T]` is false.

        There `x` has to be zero, as it is beyond the ends.
        """
        kernel = len(self.weight)
        if mask is not None:
            taps = windows(x, kernel, self.dilation)[mask]
            out = linear(taps, self.weight.mT.flatten(0, 1).mT, self.bias)
            return out.new_zeros(*mask.shape, len(self.bias)).index_put((mask,), out)
        if kernel == 1:
            return linear(x, self.weight[0], self.bias)
        if self.dilation == 1 and worthwhile(x, self.weight):
            return conv3(x, self.weight, self.bias)
        if x.device.type == "cpu":
            taps = windows(x, kernel, self.dilation)
            return linear(taps, self.weight.mT.flatten(0, 1).mT, self.bias)
        weight, reach = self.weight.permute(1, 2, 0), kernel // 2 * self.dilation
        out = functional.conv1d(x.mT, weight, self.bias, padding=reach, dilation=self.dilation)
        return out.mT


def windows(x: Tensor, size: int, dilation: int = 1) -> Tensor:
    """Each snippet beside its neighbours, zeros beyond the ends: `[B, T, D] -> [B, T, size D]`.

    The neighbours lie `dilation` snippets apart.
    """
    reach, length = size // 2 * dilation, x.shape[1]
    padded = functional.pad(x, (0, 0, reach, reach))
    starts = range(0, size * dilation, dilation)
    return torch.cat([padded[:, start : start + length] for start in starts], -1)


def he_bound(fan_in: int) -> float:
    """Half-width of He's uniform initialization (gain sqrt 2), as the official code's."""
    return math.sqrt(6 / fan_in)


class AttentionUnit(nn.Module):
    """Three convolutions and a sigmoid: foreground attention `[B, T]` of a sequence `[B, T, D]`.

    differs from paper: section 3.2 speaks of two convolutions, sections 3.4 and 4.2 and the
    official code of three; dropout is 0.5 there (paper: 0.7, `dropout`) and also falls on the
    logit, so that in training half of the snippets have an attention of exactly 0.5.
    `logit_dropout=0` switches that off.
    """

    def __init__(
        self, channels: int, hidden: int, *, dropout: float = 0.5, logit_dropout: float = 0.5
    ) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            TemporalConv(channels, hidden),
            nn.LeakyReLU(SLOPE),
            Dropout(dropout),
            TemporalConv(hidden, hidden),
            nn.LeakyReLU(SLOPE),
            TemporalConv(hidden, 1, kernel=1),
            Dropout(logit_dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        """`[B, T, D] -> [B, T]`."""
        return self.layers(x).squeeze(-1).sigmoid()


def linear_as_centre_tap(channels: int, out_channels: int) -> TemporalConv:
    """What a zero-padded width-3 convolution is on a sequence of length one: its centre tap.

    The outer taps only ever meet padding and are left out; the initial range is still that of
    the convolution (fan-in 3 D), which is what the official code starts from.
    """
    layer = TemporalConv(channels, out_channels, kernel=1)
    bound = he_bound(3 * channels)
    nn.init.uniform_(layer.weight, -bound, bound)
    return layer


def average_over_time(x: Tensor, kernel: int) -> Tensor:
    """Moving average over time of `[B, T, D]` or `[B, T]`, zeros counted at the edges."""
    if kernel == 1:
        return x
    rows = x.unsqueeze(1) if x.dim() == 2 else x.mT
    pooled = functional.avg_pool1d(rows, kernel, stride=1, padding=kernel // 2)
    return pooled.squeeze(1) if x.dim() == 2 else pooled.mT
