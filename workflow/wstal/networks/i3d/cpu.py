"""Two steps of Inception-I3D without a library's 3-D kernels, which are slow on CPUs.

`TimeConv3d` computes a 3-D convolution as few 2-D ones: minimal filtering over time, plain sums
over space. m outputs of an r-tap filter over time take m + r - 1 products of whole pictures (2-D
convolutions) instead of m r: V mixes the pictures of a tile, U the filter's taps, Y the
products. Toom 1963 and Cook 1966; Winograd, "Arithmetic Complexity of Computations", 1980;
Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016. The result
equals the direct sum up to rounding (2e-6 relative in float32, for four outputs of three taps).

`axis_max_pool` pools one axis after the other by maxima of whole tensors, in any memory layout.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wstal.networks.i3d.network import same_padding

TILE = 4  # outputs over time that are computed together
POINTS = (0.0, 1.0, -1.0, 2.0, -2.0, 0.5)  # and infinity; small points round least


class MinimalFilter(NamedTuple):
    """Float64 matrices with y = Y ((U g) * (V d)), y[i] = sum over j of g[j] d[i + j].

    V `[p, p]`, U `[p, taps]`, Y `[outputs, p]` with p = outputs + taps - 1.
    """

    V: Tensor
    U: Tensor
    Y: Tensor


@cache
def minimal_filter(outputs: int, taps: int) -> MinimalFilter:
    """Return the minimal filter F(outputs, taps); ValueError for more than seven points."""
    points = outputs + taps - 1
    if points > len(POINTS) + 1:
        raise ValueError(f"F({outputs}, {taps}) needs {points} points")

    def evaluate(size: int) -> Tensor:
        """Values of the polynomials 1, x, x^2, ... at the points, `[p, size]`."""
        finite = torch.tensor(POINTS[: points - 1], dtype=torch.float64)
        highest = torch.eye(size, dtype=torch.float64)[-1:]
        return torch.cat([finite[:, None] ** torch.arange(size), highest])

    # The transpose of polynomial multiplication: evaluate, multiply, interpolate.
    mixing = torch.linalg.inv(evaluate(points)).T
    scale = 2 ** mixing.abs().amax(1, keepdim=True).log2().round()
    return MinimalFilter(mixing / scale, evaluate(taps) * scale, evaluate(outputs).T)


@cache
def _tiles(length: int, taps: int, pad: int) -> list[tuple[int, Tensor, Tensor]]:
    """Return each tile's first output, V over all pictures `[p, T]`, Y of its outputs `[m, p]`."""
    filtering = minimal_filter(TILE, taps)
    outputs = length + 2 * pad - taps + 1
    tiles = []
    for start in range(0, outputs, TILE):
        first = start - pad  # picture under the tile's first tap; pictures outside are zero
        inside = range(max(0, first), min(length, first + len(filtering.V)))
        mixing = torch.zeros(len(filtering.V), length)
        for picture in inside:
            mixing[:, picture] = filtering.V[:, picture - first]
        tiles.append((start, mixing, filtering.Y[: outputs - start].float().contiguous()))
    return tiles


class TimeConv3d(nn.Module):
    """Convolution of stride 1 in time: `[T, B, H, W, C]` -> `[T + 2 p - R + 1, B, H', W', K]`.

    `weight [K, C, R, h, w]`, R of 3 or 4, and `bias [K]` as in `nn.Conv3d`; p is the zero
    padding at either end of time, `padding` and `stride` apply to space. For inference on CPUs in
    float32: only one tile's products are in memory at a time.
    """

    def __init__(
        self, weight: Tensor, bias: Tensor, *, time_padding: int, padding: int, stride: int = 1
    ) -> None:
        super().__init__()
        self.taps, self.time_padding = weight.shape[2], time_padding
        self.padding, self.stride = padding, stride
        mixed = torch.einsum(
            "pr,kcrhw->pkchw", minimal_filter(TILE, self.taps).U, weight.detach().double()
        )
        layout = {"memory_format": torch.channels_last}
        self.filters = [part.to(weight.dtype).contiguous(**layout) for part in mixed]
        self.bias = bias.detach()

    def forward(self, x: Tensor) -> Tensor:
        pictures, out = x.reshape(len(x), -1), None
        for start, mixing, gathering in _tiles(len(x), self.taps, self.time_padding):
            tile = (mixing @ pictures).view(-1, *x.shape[1:])
            pairs = zip(tile, self.filters, strict=True)
            products = torch.stack([self._conv2d(*pair) for pair in pairs])
            if out is None:
                length = len(x) + 2 * self.time_padding - self.taps + 1
                out = x.new_empty(length, *products.shape[1:])
            part = out[start : start + len(gathering)]
            torch.mm(gathering, products.flatten(1), out=part.view(len(part), -1))
        return out.add_(self.bias)

    def _conv2d(self, pictures: Tensor, weight: Tensor) -> Tensor:
        """`[B, H, W, C]` -> `[B, H', W', K]`."""
        x = pictures.permute(0, 3, 1, 2)
        return F.conv2d(x, weight, None, self.stride, self.padding).permute(0, 2, 3, 1)


def axis_max_pool(
    x: Tensor, axes: Sequence[int], kernel: Sequence[int], stride: Sequence[int]
) -> Tensor:
    """Return maxima over windows along `axes`, with "same" padding of minus infinity.

    Equals `SameMaxPool3d`. Torch's kernels behind that one are slow on CPUs, because they also
    find the index of each maximum, and convert the memory layout on GPUs.
    """
    for axis, size, step in zip(axes, kernel, stride, strict=True):
        if size > 1:
            x = _pool_axis(x, axis, size, step)
    return x


def _pool_axis(x: Tensor, axis: int, kernel: int, stride: int) -> Tensor:
    length = x.shape[axis]
    before, outputs = same_padding(length, kernel, stride)[0], -(-length // stride)
    out = None
    # Tap 0 is the input at an output's own place: the only one that is inside for every output.
    for tap in sorted(range(-before, kernel - before), key=abs):
        # The first and the last output for which this tap lies inside.
        first = -(tap // stride) if tap < 0 else 0
        last = min(outputs - 1, (length - 1 - tap) // stride)
        if last < first:
            continue
        taken = slice(first * stride + tap, last * stride + tap + 1, stride)
        source = x[(slice(None),) * axis + (taken,)]
        if out is None:
            out = source.clone()
            continue
        target = out.narrow(axis, first, last - first + 1)
        torch.maximum(target, source, out=target)
    return out
