"""Convolution over time and dropout, faster on a CPU than torch's own.

Sequences are time-major, `[B, T, D]`. Long sequences with neighbouring taps go through Winograd's
minimal filtering, all others are one matrix product over windows; both leave the products to the
faster of the two libraries that torch brings. The results are equal up to rounding.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional


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
        if self.dilation == 1 and is_large(x, self.weight):
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


# Matrix products. torch sends float32 products to MKL, which leaves the wide vector units of AMD
# processors idle; oneDNN, which torch uses for convolutions, does not (2.2 times faster there). Its
# entry point is the operator that torch's compiler emits; where it is absent the usual one serves.
ONEDNN = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
LARGE_PRODUCT = 1 << 22  # multiplications; below, calling costs more than computing


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
        or x.numel() * len(weight) < LARGE_PRODUCT
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


# Winograd's minimal filtering F(4, 3) (Lavin & Gray 2016, with interpolation points 0, 1, -1, 2, -2
# and infinity). Four outputs of a three-tap filter take 12 products done directly and 6 after fixed
# linear changes of the input tiles (B^T), the filter (G) and the results (A^T): half the
# arithmetic, forward and in both gradients. The result is that of the direct sum up to rounding
# (about 1e-6 relative in float32).
TILE = 4  # outputs per tile
POINTS = 6
# Multiplications per tap; below, the changes of basis cost more than they save.
LARGE_CONVOLUTION = 1 << 26


def is_large(x: Tensor, weight: Tensor) -> bool:
    """Return whether `conv3` is the faster way: `x` `[B, T, D]`, `weight` `[K, E, D]`."""
    return (
        len(weight) == 3
        and x.device.type == "cpu"
        and x.dtype == weight.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
        and x.numel() * weight.shape[1] >= LARGE_CONVOLUTION
    )


def conv3(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """`[B, T, D]`, `[3, E, D]`, `[E]` -> `[B, T, E]`, zero-padded to the same length."""
    return _Conv3.apply(x, weight, bias)


class _Conv3(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        tiles = _input_tiles(x)
        filters = _filters(weight)
        results = [product(v, u) for v, u in zip(tiles, filters, strict=True)]
        ctx.save_for_backward(tiles, filters)
        ctx.length = x.shape[1]
        return _outputs(results, bias, x.shape)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        tiles, filters = ctx.saved_tensors
        grad_x = grad_weight = grad_bias = None
        results = _output_gradients(gradient)
        if ctx.needs_input_grad[0]:
            grad_tiles = [product(m, u.t()) for m, u in zip(results, filters, strict=True)]
            grad_x = _input_gradient(grad_tiles, gradient.shape[0], ctx.length)
        if ctx.needs_input_grad[1]:
            grad_filters = [product(m.t(), v.t()) for m, v in zip(results, tiles, strict=True)]
            grad_weight = _filter_gradient(grad_filters)
        if ctx.needs_input_grad[2]:
            grad_bias = gradient.sum((0, 1))
        return grad_x, grad_weight, grad_bias


def _filters(weight: Tensor) -> Tensor:
    """G applied: taps `[3, E, D]` -> points `[6, E, D]`."""
    a, b, c = weight
    out = weight.new_empty(POINTS, *a.shape)
    torch.mul(a, 1 / 4, out=out[0])
    even, odd = torch.add(a, c).mul_(-1 / 6), b / 6
    torch.sub(even, odd, out=out[1])
    torch.add(even, odd, out=out[2])
    torch.add(a, c, alpha=4, out=even).mul_(1 / 24)
    torch.mul(b, 1 / 12, out=odd)
    torch.add(even, odd, out=out[3])
    torch.sub(even, odd, out=out[4])
    out[5] = c
    return out


def _filter_gradient(points: list[Tensor]) -> Tensor:
    """G^T applied: six `[E, D]` -> taps `[3, E, D]`. The inputs are used up."""
    p0, p1, p2, p3, p4, p5 = points
    out = p0.new_empty(3, *p0.shape)
    torch.sub(p2, p1, out=out[1]).mul_(1 / 6).add_(p3, alpha=1 / 12).sub_(p4, alpha=1 / 12)
    sixth, small = p1.add_(p2), p3.add_(p4)
    torch.mul(p0, 1 / 4, out=out[0]).sub_(sixth, alpha=1 / 6).add_(small, alpha=1 / 24)
    torch.mul(small, 1 / 6, out=out[2]).sub_(sixth, alpha=1 / 6).add_(p5)
    return out


def _parts(batch: int) -> list[slice]:
    """Videos changed together: one at a time stays in cache, but is little for many threads."""
    size = 1 if torch.get_num_threads() == 1 else batch
    return [slice(start, start + size) for start in range(0, batch, size)]


def _tile_rows(padded: Tensor, count: int) -> list[Tensor]:
    """Views of rows j, j + 4, j + 8, ... for j = 0..5: six `[b, n, D]` of `[b, 4 n + 2, D]`."""
    return [padded[:, j : j + TILE * (count - 1) + 1 : TILE] for j in range(POINTS)]


def _input_tiles(x: Tensor) -> Tensor:
    """B^T applied to overlapping tiles of six: `[B, T, D] -> [6, B n, D]`."""
    batch, length, width = x.shape
    count = -(-length // TILE)
    out = x.new_empty(POINTS, batch, count, width)
    for part in _parts(batch):
        padded = functional.pad(x[part], (0, 0, 1, TILE * count + 1 - length))
        d, v = _tile_rows(padded, count), out[:, part]
        torch.sub(d[4], d[2], alpha=5, out=v[0]).add_(d[0], alpha=4)
        torch.sub(d[5], d[3], alpha=5, out=v[5]).add_(d[1], alpha=4)
        even, odd = torch.sub(d[4], d[2], alpha=4), torch.sub(d[3], d[1], alpha=4)
        torch.add(even, odd, out=v[1])
        torch.sub(even, odd, out=v[2])
        torch.sub(d[4], d[2], out=even)
        torch.sub(d[3], d[1], out=odd)
        torch.add(even, odd, alpha=2, out=v[3])
        torch.sub(even, odd, alpha=2, out=v[4])
    return out.flatten(1, 2)


def _input_gradient(points: list[Tensor], batch: int, length: int) -> Tensor:
    """B applied and overlapping tiles added up: six `[B n, D] -> [B, T, D]`."""
    count = -(-length // TILE)
    points = [p.view(batch, count, -1) for p in points]
    width = points[0].shape[-1]
    out = points[0].new_empty(batch, length, width)
    for part in _parts(batch):
        p0, p1, p2, p3, p4, p5 = (p[part] for p in points)
        padded = p0.new_zeros(len(p0), TILE * count + 2, width)
        d = _tile_rows(padded, count)
        s12, d12, s34, d34 = p1 + p2, p1 - p2, p3 + p4, p3 - p4
        d[0].add_(p0, alpha=4)
        d[1].add_(d12, alpha=-4).add_(d34, alpha=-2).add_(p5, alpha=4)
        d[2].add_(p0, alpha=-5).add_(s12, alpha=-4).sub_(s34)
        d[3].add_(d12).add_(d34, alpha=2).add_(p5, alpha=-5)
        d[4].add_(p0).add_(s12).add_(s34)
        d[5].add_(p5)
        out[part] = padded[:, 1 : length + 1]
    return out


def _outputs(points: list[Tensor], bias: Tensor, shape: torch.Size) -> Tensor:
    """A^T applied: six `[B n, E] -> [B, T, E]`."""
    batch, length, _ = shape
    count = -(-length // TILE)
    points = [p.view(batch, count, -1) for p in points]
    out = bias.new_empty(batch, count, TILE, bias.shape[0])
    for part in _parts(batch):
        m0, m1, m2, m3, m4, m5 = (p[part] for p in points)
        s12, d12, s34, d34 = m1 + m2, m1 - m2, m3 + m4, m3 - m4
        s12 += bias
        d12 += bias
        y = out[part].unbind(2)
        torch.add(m0, s12, out=y[0]).add_(s34)
        torch.add(d12, d34, alpha=2, out=y[1])
        torch.add(s12, s34, alpha=4, out=y[2])
        torch.add(d12, d34, alpha=8, out=y[3]).add_(m5)
    return out.flatten(1, 2)[:, :length]


def _output_gradients(gradient: Tensor) -> list[Tensor]:
    """A applied: `[B, T, E] -> six [B n, E]`."""
    batch, length, width = gradient.shape
    count = -(-length // TILE)
    out = gradient.new_empty(POINTS, batch, count, width)
    for part in _parts(batch):
        rows = gradient[part]
        if count * TILE != length:
            rows = functional.pad(rows, (0, 0, 0, count * TILE - length))
        y, m = rows.reshape(-1, count, TILE, width).unbind(2), out[:, part]
        m[0], m[5] = y[0], y[3]
        even, odd = y[0] + y[2], y[1] + y[3]
        torch.add(even, odd, out=m[1])
        torch.sub(even, odd, out=m[2])
        torch.add(y[0], y[2], alpha=4, out=even)
        torch.add(y[1], y[3], alpha=4, out=odd)
        torch.add(even, odd, alpha=2, out=m[3])
        torch.sub(even, odd, alpha=2, out=m[4])
    return list(out.flatten(1, 2))


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
    """Draw the factors of dropout, 0 or 1 / (1 - p), in the shape of `x`."""
    dropped = min(round(p * LEVELS), LEVELS - 1)
    seed = int(torch.randint(2**63 - 1, ()))
    words = np.random.SFC64(seed).random_raw(-(-x.numel() // 4))
    bits = torch.from_numpy(words.view(np.int16))[: x.numel()].view(x.shape)
    factors = torch.empty(x.shape, dtype=x.dtype)
    torch.ge(bits, dropped - LEVELS // 2, out=factors)
    return factors.mul_(LEVELS / (LEVELS - dropped))
