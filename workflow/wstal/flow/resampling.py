"""Resizing and warping of images as OpenCV defines them, on any device that torch knows.

OpenCV's CPU functions and its CUDA module differ: where pixel centres lie when resizing, and the
cubic kernel, its border and the precision of coordinates when warping.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

FRACTIONS = 32  # cv::remap rounds coordinates to 1/32 px
MARGIN = 4  # px around a packed image; from there on all four taps are outside


def resize(
    images: Tensor, size: tuple[int, int], ratios: tuple[float, float], cuda: bool
) -> Tensor:
    """Bilinear `[..., H, W]` -> `[..., *size]`; `ratios` are input px per output px (y, x)."""
    for axis, (length, ratio) in zip((-2, -1), zip(size, ratios, strict=True), strict=True):
        images = _resize_axis(images, axis, length, ratio, cuda)
    return images


def linear_taps(
    old: int, new: int, ratio: float, cuda: bool, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Where `new` pixels read among `old` ones along an axis: the first of two neighbours,
    int64 `[new]`, and the weight of the second."""
    k = torch.arange(new, dtype=torch.float64, device=device)
    # cv::resize puts pixel centres at k + 1/2, cv::cuda::resize at k.
    at = (k * ratio if cuda else (k + 0.5) * ratio - 0.5).float()
    first = at.floor()
    weight = (at - first).masked_fill((first < 0) | (first >= old - 1), 0)
    return first.long().clamp(0, old - 1), weight


def _resize_axis(images: Tensor, axis: int, length: int, ratio: float, cuda: bool) -> Tensor:
    old = images.shape[axis]
    first, weight = linear_taps(old, length, ratio, cuda, images.device)
    second = (first + 1).clamp(max=old - 1)
    if axis == -2:
        weight = weight[:, None]
    return (
        images.index_select(axis, first) * (1 - weight) + images.index_select(axis, second) * weight
    )


def central_gradient(images: Tensor) -> tuple[Tensor, Tensor]:
    """Half differences `[..., H, W]` along x and y; one-sided, halved alike, at the ends."""
    across = _replicate(images, (1, 1, 0, 0))
    down = _replicate(images, (0, 0, 1, 1))
    return 0.5 * (across[..., 2:] - across[..., :-2]), 0.5 * (down[..., 2:, :] - down[..., :-2, :])


def median(fields: Tensor, side: int) -> Tensor:
    """Median of each `side` x `side` window of `[B, C, H, W]`, the edge repeated."""
    r = side // 2
    windows = _replicate(fields, (r, r, r, r)).unfold(2, side, 1).unfold(3, side, 1)
    return windows.flatten(4).median(dim=4).values


class CubicWarp:
    """Cubic interpolation of `[B, C, H, W]` at arbitrary places."""

    def __init__(self, images: Tensor, cuda: bool) -> None:
        self.height, self.width = images.shape[2:]
        margins = (MARGIN,) * 4
        padded = _replicate(images, margins) if cuda else pad(images, margins)
        self.flat, self.stride, self.cuda = padded.flatten(2), padded.shape[3], cuda

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        """`[B, C, H, W]` sampled at columns `x` and rows `y` `[B, H, W]`."""
        left, across = self._taps(x, self.width)
        top, down = self._taps(y, self.height)
        start = (top + MARGIN) * self.stride + left + MARGIN
        total = 0
        for i in range(4):
            for j in range(4):
                at = (start + i * self.stride + j).flatten(1)[:, None]
                taps = self.flat.gather(2, at.expand(-1, self.flat.shape[1], -1))
                total = total + taps.unflatten(2, x.shape[1:]) * (down[i] * across[j])[:, None]
        return total

    def _taps(self, at: Tensor, length: int) -> tuple[Tensor, list[Tensor]]:
        """The first of four taps along one axis, and their weights."""
        if self.cuda:
            at = at.clamp(-3, length + 1)  # beyond it all taps are the edge
            floor = at.floor()
            weights = cubic_weights(at - floor, -0.5)
            total = sum(weights)
            return floor.long() - 1, [weight / total for weight in weights]
        # beyond 4 px outside all taps are zero
        fixed = (at.clamp(-5, length + 5) * FRACTIONS).round().long()
        weights = cubic_weights((fixed % FRACTIONS).float() / FRACTIONS, -0.75)
        first = fixed.div(FRACTIONS, rounding_mode="floor") - 1
        return first.clamp(-MARGIN, length), weights


def cubic_weights(x: Tensor, a: float) -> list[Tensor]:
    """Keys' kernel at distances 1 + x, x, 1 - x, 2 - x."""
    first = ((a * (x + 1) - 5 * a) * (x + 1) + 8 * a) * (x + 1) - 4 * a
    second = ((a + 2) * x - (a + 3)) * x * x + 1
    third = ((a + 2) * (1 - x) - (a + 3)) * (1 - x) * (1 - x) + 1
    return [first, second, third, 1 - first - second - third]


def _replicate(images: Tensor, margins: tuple[int, int, int, int]) -> Tensor:
    lead = images.shape[:-2]
    flat = pad(images.reshape(1, -1, *images.shape[-2:]), margins, mode="replicate")
    return flat.reshape(*lead, *flat.shape[-2:])
