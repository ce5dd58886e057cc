"""TV-L1 in plain torch: the definition that the C++ and the GPU kernels follow.

It runs on any device, many pairs at once. Fields are stacked as channels: the flow's two
components, and with `gamma > 0` a third one, the change of illumination; the image's residual is
linear in all of them, with the coefficients (Ix, Iy, gamma).

Images are resized and warped as OpenCV does. Its CPU functions and its CUDA module differ in the
place of pixel centres when resizing, and in the cubic kernel, its border and the precision of
coordinates when warping.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from wstal.flow.definition import TVL1Parameters

SMALLEST_SIDE = 16  # px of the pyramid's images
NO_GRADIENT = 1e-20  # divides in place of a vanished squared gradient; the step is 0 anyway
FRACTIONS = 32  # cv::remap rounds coordinates to 1/32 px
MARGIN = 4  # px around an image; from there on all four taps are outside


def tvl1_torch(
    frames: np.ndarray | Tensor,
    parameters: TVL1Parameters,
    semantics: str = "opencv_cpu",
    *,
    device: str | torch.device = "cpu",
    batch: int = 16,
) -> Tensor:
    """Return the flow `[N-1, H, W, 2]`, float32 px on `device`, of gray `[N, H, W]` in 0..255.

    Frames have any type. `batch` pairs are computed at a time; a pair's result does not depend on
    the others.
    """
    images = as_images(frames, device)
    parts = [
        _solve(images[start : start + batch + 1], parameters, semantics == "opencv_cuda")
        for start in range(0, len(images) - 1, batch)
    ]
    empty = images.new_empty(0, *images.shape[1:], 2)
    return torch.cat([empty, *(fields[:, :2].permute(0, 2, 3, 1) for fields in parts)])


def as_images(frames: np.ndarray | Tensor, device: str | torch.device) -> Tensor:
    """Return frames of any type as float32 on `device`; the type is changed there."""
    if isinstance(frames, np.ndarray):
        frames = torch.from_numpy(np.require(frames, requirements="CW"))  # as torch needs it
    return frames.to(device).float()


def pyramid_sizes(height: int, width: int, parameters: TVL1Parameters) -> list[tuple[int, int]]:
    """Return heights and widths of the pyramid's scales, the finest first."""
    sizes = [(height, width)]
    while len(sizes) < parameters.nscales:
        size = tuple(round(side * parameters.scale_step) for side in sizes[-1])
        if min(size) < SMALLEST_SIDE:
            break
        sizes.append(size)
    return sizes


def _solve(images: Tensor, parameters: TVL1Parameters, cuda: bool) -> Tensor:
    """Solve from coarse to fine: frames `[B+1, H, W]` -> fields `[B, C, H, W]`."""
    pyramid, ratio = [images], 1 / parameters.scale_step
    for size in pyramid_sizes(*images.shape[1:], parameters)[1:]:
        pyramid.append(resize(pyramid[-1], size, (ratio, ratio), cuda))
    channels = 3 if parameters.gamma else 2
    fields = images.new_zeros(len(images) - 1, channels, *pyramid[-1].shape[1:])
    gain = images.new_full((channels, 1, 1), 1 / parameters.scale_step)
    gain[2:] = 1  # illumination is not a length
    for level in reversed(pyramid):
        if level is not pyramid[-1]:
            size, old = tuple(level.shape[1:]), fields.shape[2:]
            ratios = tuple(1 / (new / was) for new, was in zip(size, old, strict=True))
            fields = resize(fields, size, ratios, cuda) * gain
        fields = _one_scale(level[:-1], level[1:], fields, parameters, cuda)
    return fields


def _one_scale(
    first: Tensor, second: Tensor, fields: Tensor, parameters: TVL1Parameters, cuda: bool
) -> Tensor:
    """Do all warps at one scale: images `[B, H, W]`, fields `[B, C, H, W]` -> new fields."""
    height, width = first.shape[1:]
    x = torch.arange(width, device=first.device, dtype=torch.float32)
    y = torch.arange(height, device=first.device, dtype=torch.float32)[:, None]
    read = CubicWarp(torch.stack([second, *central_gradient(second)], dim=1), cuda)
    state = _Iteration(fields, parameters)
    for _ in range(parameters.warps):
        u, v = state.fields[:, 0], state.fields[:, 1]
        warped, ix, iy = read(x + u, y + v).unbind(1)
        state.linearise(warped - ix * u - iy * v - first, ix, iy)
        (_iterate_cuda if cuda else _iterate_cpu)(state, parameters)
    return state.fields


def _iterate_cpu(state: _Iteration, parameters: TVL1Parameters) -> None:
    """Alternate median filter and iterations until the change is small enough."""
    height, width = state.fields.shape[2:]
    enough = float(np.float32(parameters.epsilon**2 * (height * width)))
    active = torch.ones(len(state.fields), dtype=torch.bool, device=state.fields.device)
    for _ in range(parameters.outer_iterations):
        if parameters.median_filtering > 1:
            smooth = median(state.fields[:, :2], parameters.median_filtering)
            state.fields[active, :2] = smooth[active]
        for _ in range(parameters.inner_iterations):
            active = active & (state.step(active) > enough)
            if not active.any():
                return


def _iterate_cuda(state: _Iteration, parameters: TVL1Parameters) -> None:
    """Iterate until the change is small enough, without a median filter.

    The change is tested on odd iterations only. After a test, the next one waits until a count
    that starts at the change, and loses the threshold each iteration, is below the threshold.
    """
    height, width = state.fields.shape[2:]
    enough = parameters.epsilon**2 * (height * width)
    count = torch.zeros(len(state.fields), dtype=torch.float64, device=state.fields.device)
    active = torch.ones_like(count, dtype=torch.bool)
    for n in range(parameters.iterations):
        change = state.step(active, fields=2).double()
        look = (count < enough) & bool(n % 2) & (parameters.epsilon > 0)
        active = active & ~(look & (change <= enough))
        count = torch.where(look, change, count - enough)
        if not active.any():
            return


class _Iteration:
    """The fixed-point iteration: fields `[B, C, H, W]`, duals `[B, C, H, W]` along x and y."""

    def __init__(self, fields: Tensor, parameters: TVL1Parameters) -> None:
        self.fields = fields.clone()
        self.dual_x, self.dual_y = torch.zeros_like(fields), torch.zeros_like(fields)
        self.limit = parameters.lambda_ * parameters.theta
        self.theta, self.rate = parameters.theta, parameters.tau / parameters.theta
        self.gamma = parameters.gamma

    def linearise(self, residual: Tensor, ix: Tensor, iy: Tensor) -> None:
        """Set the residual at zero flow, `[B, H, W]`, and its coefficients."""
        self.residual = residual
        self.squared = (ix * ix + iy * iy).clamp(min=NO_GRADIENT)
        channels = [ix, iy] + [torch.full_like(ix, self.gamma)] * (self.fields.shape[1] - 2)
        self.coefficients = torch.stack(channels, dim=1)

    def step(self, active: Tensor, fields: int = 3) -> Tensor:
        """Do one iteration of the pairs in `active` `[B]`.

        Returns each pair's squared change `[B]`, summed over pixels and the first `fields` fields.
        """
        old = self.fields
        rho = self.residual + (self.coefficients * old).sum(1)
        # The thresholding step (eq. 15 of the paper): its three cases are one clamp.
        move = (-rho / self.squared).clamp(-self.limit, self.limit)
        new = old + move[:, None] * self.coefficients
        new = new + self.theta * _divergence(self.dual_x, self.dual_y)
        gx = pad(new[..., 1:] - new[..., :-1], (0, 1))
        gy = pad(new[..., 1:, :] - new[..., :-1, :], (0, 0, 0, 1))
        scale = 1 + self.rate * (gx * gx + gy * gy).sqrt()
        going = active[:, None, None, None]
        self.dual_x = torch.where(going, (self.dual_x + self.rate * gx) / scale, self.dual_x)
        self.dual_y = torch.where(going, (self.dual_y + self.rate * gy) / scale, self.dual_y)
        self.fields = torch.where(going, new, old)
        return (new - old)[:, :fields].square().sum((1, 2, 3))


def _divergence(dual_x: Tensor, dual_y: Tensor) -> Tensor:
    """Return the sum of backward differences, with zero before the first row and column."""
    across = dual_x - pad(dual_x, (1, 0))[..., :-1]
    return across + (dual_y - pad(dual_y, (0, 0, 1, 0))[..., :-1, :])


def resize(
    images: Tensor, size: tuple[int, int], ratios: tuple[float, float], cuda: bool
) -> Tensor:
    """Resize `[..., H, W]` bilinearly to `[..., *size]`; `ratios` are input px per output px."""
    for axis, (length, ratio) in zip((-2, -1), zip(size, ratios, strict=True), strict=True):
        images = _resize_axis(images, axis, length, ratio, cuda)
    return images


def linear_taps(
    old: int, new: int, ratio: float, cuda: bool, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Return where `new` pixels along an axis read among `old` ones.

    First the index of the first of two neighbours, int64 `[new]`, then the weight of the second.
    """
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
    """Return half differences `[..., H, W]` along x and y; one-sided, also halved, at the ends."""
    across = _replicate(images, (1, 1, 0, 0))
    down = _replicate(images, (0, 0, 1, 1))
    return 0.5 * (across[..., 2:] - across[..., :-2]), 0.5 * (down[..., 2:, :] - down[..., :-2, :])


def median(fields: Tensor, side: int) -> Tensor:
    """Return the median of each `side` x `side` window of `[B, C, H, W]`, the edge repeated."""
    r = side // 2
    windows = _replicate(fields, (r, r, r, r)).unfold(2, side, 1).unfold(3, side, 1)
    return windows.flatten(4).median(dim=4).values


class CubicWarp:
    """Cubic interpolation of images `[B, C, H, W]`."""

    def __init__(self, images: Tensor, cuda: bool) -> None:
        self.height, self.width = images.shape[2:]
        margins = (MARGIN,) * 4
        padded = _replicate(images, margins) if cuda else pad(images, margins)
        self.flat, self.stride, self.cuda = padded.flatten(2), padded.shape[3], cuda

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        """Sample the images at columns `x` and rows `y` `[B, H, W]`: `[B, C, H, W]`."""
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
        """Return the first of four taps along one axis, and their weights."""
        if self.cuda:
            at = at.clamp(-3, length + 1)  # all taps are the edge beyond
            floor = at.floor()
            weights = cubic_weights(at - floor, -0.5)
            total = sum(weights)
            return floor.long() - 1, [weight / total for weight in weights]
        # All taps are zero from 4 px outside on.
        fixed = (at.clamp(-5, length + 5) * FRACTIONS).round().long()
        weights = cubic_weights((fixed % FRACTIONS).float() / FRACTIONS, -0.75)
        first = fixed.div(FRACTIONS, rounding_mode="floor") - 1
        return first.clamp(-MARGIN, length), weights


def cubic_weights(x: Tensor, a: float) -> list[Tensor]:
    """Return Keys' kernel at the distances 1 + x, x, 1 - x, 2 - x."""
    first = ((a * (x + 1) - 5 * a) * (x + 1) + 8 * a) * (x + 1) - 4 * a
    second = ((a + 2) * x - (a + 3)) * x * x + 1
    third = ((a + 2) * (1 - x) - (a + 3)) * (1 - x) * (1 - x) + 1
    return [first, second, third, 1 - first - second - third]


def _replicate(images: Tensor, margins: tuple[int, int, int, int]) -> Tensor:
    lead = images.shape[:-2]
    flat = pad(images.reshape(1, -1, *images.shape[-2:]), margins, mode="replicate")
    return flat.reshape(*lead, *flat.shape[-2:])
