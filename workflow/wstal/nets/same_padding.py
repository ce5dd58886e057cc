"""Convolution and pooling with TensorFlow's "same" padding, which depends on the input size."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Padding before and after one axis so that the output has `ceil(size / stride)` entries.

    TensorFlow puts the odd element after. https://www.tensorflow.org/api_docs/python/tf/nn
    """
    outputs = -(-size // stride)
    total = max((outputs - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def pad_same(
    x: Tensor, kernel: Sequence[int], stride: Sequence[int], value: float
) -> tuple[Tensor, tuple[int, ...]]:
    """Pad `x [B, C, T, H, W]` as far as it is lopsided.

    Returns the tensor and the symmetric padding `(t, h, w)` left to the operator itself, which
    saves a copy of the activations in all layers of stride 1.
    """
    pads = [same_padding(n, k, s) for n, k, s in zip(x.shape[2:], kernel, stride, strict=True)]
    if all(before == after for before, after in pads):
        return x, tuple(before for before, _ in pads)
    flat = [amount for pair in reversed(pads) for amount in pair]
    return F.pad(x, flat, value=value), (0, 0, 0)


class SameConv3d(nn.Conv3d):
    """`nn.Conv3d` with "same" padding: `[B, C, T, H, W]` -> `[B, K, ceil(T/s), ...]`."""

    def forward(self, x: Tensor) -> Tensor:
        x, padding = pad_same(x, self.kernel_size, self.stride, 0.0)
        return F.conv3d(x, self.weight, self.bias, self.stride, padding)


class SameMaxPool3d(nn.Module):
    """Max pooling with "same" padding; the border never wins."""

    def __init__(self, kernel: tuple[int, int, int], stride: tuple[int, int, int]) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        x, padding = pad_same(x, self.kernel, self.stride, -torch.inf)
        return F.max_pool3d(x, self.kernel, self.stride, padding)
