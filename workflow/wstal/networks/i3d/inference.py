"""Inception-I3D for feature extraction: the same function as the network, computed faster.

Batch norm is fused into the convolutions, channels lie last in memory throughout, 1x1x1
convolutions are matrix products, pooling keeps the memory layout and comes before ReLU. In
float32 on CPUs, convolutions over time use minimal filtering (`cpu.TimeConv3d`) with about half
the products; on GPUs, one kernel does each pooling (`cuda.window_max_pool`), another joins the
branches of an inception module (`cuda.join_branches`), and the first convolution takes 8-bit
pictures (`cuda.WindowStem`).
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from wstal.base.errors import WstalError
from wstal.networks.i3d.cpu import TimeConv3d, axis_max_pool
from wstal.networks.i3d.cuda import (
    WindowStem,
    join_branches,
    join_works,
    pool_works,
    stem_works,
    window_max_pool,
)
from wstal.networks.i3d.network import (
    ORDER,
    InceptionI3D,
    Mixed,
    SameMaxPool3d,
    Unit3D,
    check_snippets,
    same_padding,
)
from wstal.networks.weights import EXACT

PRECISIONS = {
    EXACT: torch.float32,
    "tf32": torch.float32,
    "fp16": torch.float16,
    "bf16": torch.bfloat16,
}
# The last module that CPUs compute snippet by snippet; the rest is computed for the whole batch.
LAST_OF_FRONT = "MaxPool3d_4a_3x3"
# Snippets of 16 frames have two steps of time here: half the taps lie outside of them, so that
# minimal filtering saves nothing.
SHORT_IN_TIME = ("Mixed_5b", "Mixed_5c")


def for_inference(network: nn.Module, device: torch.device, precision: str = EXACT) -> nn.Module:
    """Return a copy of `network` on `device` whose method `features` is faster.

    Inception-I3D becomes `FastI3D`; other networks get fused batch norms and the memory layout
    channels-last, in float32 only. `precision` is a key of PRECISIONS; `fp32` is exact up to
    rounding. Torch's TF32 is switched on for the whole process by `tf32`, and off by all others.
    Raises WstalError for an unknown precision and for one that the device does not support.
    """
    if precision not in PRECISIONS:
        raise WstalError(f"precision {precision!r} is not one of {', '.join(PRECISIONS)}")
    if device.type == "cpu" and precision in ("tf32", "fp16"):
        raise WstalError(f"precision {precision} needs a GPU; on CPUs use fp32 or bf16")
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    if isinstance(network, InceptionI3D):
        return FastI3D(network, device, PRECISIONS[precision], precision == EXACT)
    if precision != EXACT:
        raise WstalError(f"precision {precision} is for Inception-I3D; other networks take fp32")
    return fuse_batch_norms(network).to(device, memory_format=torch.channels_last_3d)


def fuse_batch_norms(network: nn.Module) -> nn.Module:
    """Return a copy of `network` for inference in which convolutions include their batch norm.

    Pairs are modules with the attributes `conv3d` and `bn`. Computed in float64, so that the
    result differs from the network's by float32's rounding only (1e-5 relative).
    """
    fused = copy.deepcopy(network).eval().requires_grad_(False)
    for module in fused.modules():
        conv, norm = getattr(module, "conv3d", None), getattr(module, "bn", None)
        if isinstance(conv, nn.Conv3d) and isinstance(norm, nn.BatchNorm3d):
            dtype = conv.weight.dtype
            module.conv3d = fuse_conv_bn_eval(conv.double(), norm.double()).to(dtype)
            module.bn = nn.Identity()
    return fused


class FastI3D(nn.Module):
    """`InceptionI3D.features` in the type `dtype`; `for_inference` builds it.

    Activations are `[T, B, H, W, C]` in float32 on CPUs, elsewhere `[B, T, H, W, C]`. CPUs compute
    the large first half snippet by snippet, so that it stays in the cache, and the rest in a batch.
    `takes_codes` says whether `features` also takes 8-bit pictures, which it scales itself, faster;
    `exact` says whether their convolution keeps all digits of float32's weights.
    """

    def __init__(
        self, network: InceptionI3D, device: torch.device, dtype: torch.dtype, exact: bool = True
    ) -> None:
        super().__init__()
        fused = fuse_batch_norms(network).to(device, dtype)
        self.on_cpu, self.exact, self.dtype = device.type == "cpu", exact, dtype
        self.time = 0 if self.on_cpu and dtype == torch.float32 else 1  # the axis of time
        self.feature_size, self.in_channels = network.feature_size, network.in_channels
        self.takes_codes = device.type == "cuda" and stem_works(
            device, dtype, self.in_channels, exact=exact
        )
        border = ORDER.index(LAST_OF_FRONT) + 1
        self.front = self._stages(fused, ORDER[:border])
        self.back = self._stages(fused, ORDER[border:])

    def _stages(self, fused: nn.Module, names: Iterable[str]) -> nn.Sequential:
        stages: list[nn.Module] = []
        for name in names:
            stage = getattr(fused, name)
            minimal = self.time == 0 and name not in SHORT_IN_TIME
            if isinstance(stage, SameMaxPool3d) and isinstance(stages[-1], _Rectified):
                late_bias = not self.on_cpu
                stages[-1] = PooledUnit(stages[-1].linear, MaxPool(stage, self.time), late_bias)
            elif isinstance(stage, SameMaxPool3d):
                stages.append(MaxPool(stage, self.time))
            elif isinstance(stage, Mixed):
                mixed = FastMixed(stage, self.time, minimal) if self.on_cpu else JoinedMixed(stage)
                stages.append(mixed)
            elif self.takes_codes and name == ORDER[0]:
                stages.append(_Rectified(CodeStem(stage.conv3d, self.exact)))
            else:
                stages.append(_fast_unit(stage, self.time, minimal))
        return nn.Sequential(*stages)

    def features(self, x: Tensor) -> Tensor:
        """One vector per snippet: `[B, in_channels, T, H, W]` -> float32 `[B, 1024 * width]`.

        `x` is scaled as `InceptionI3D` expects it, or, with `takes_codes`, uint8 (RGB) or int8
        (flow) as stored. Raises WstalError as `InceptionI3D`.
        """
        check_snippets(x, self.in_channels)
        if x.is_floating_point() or not self.takes_codes:
            x = x.to(self.dtype)
        x = x.permute(2, 0, 3, 4, 1) if self.time == 0 else x.permute(0, 2, 3, 4, 1)
        batch = 1 - self.time
        parts = x.split(1, batch) if self.on_cpu else [x]
        x = torch.cat([self.front(part) for part in parts], batch)
        x = self.back(x).float().mean((2, 3))
        steps = x.shape[self.time] - 1
        pairs = x.narrow(self.time, 0, steps) + x.narrow(self.time, 1, steps)
        return pairs.mean(self.time) / 2


def _fast_unit(unit: Unit3D, time: int, minimal: bool) -> _Rectified:
    """Return a unit's convolution and ReLU; `minimal` allows minimal filtering over time."""
    conv = unit.conv3d
    if conv.kernel_size == (1, 1, 1):
        return _Rectified(_Pointwise(conv))
    if not minimal:
        return _Rectified(DirectConv(conv, time))
    if conv.stride == (2, 2, 2):
        return _Rectified(_PairedStem(conv))
    padding = conv.kernel_size[0] // 2
    return _Rectified(TimeConv3d(conv.weight, conv.bias, time_padding=padding, padding=padding))


class _Rectified(nn.Module):
    """A linear module and ReLU."""

    def __init__(self, linear: nn.Module) -> None:
        super().__init__()
        self.linear = linear

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x).relu_()


class _Pointwise(nn.Module):
    """A 1x1x1 convolution: a matrix product over the channels."""

    def __init__(self, conv: nn.Conv3d) -> None:
        super().__init__()
        self.weight, self.bias = conv.weight.flatten(1), conv.bias

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias)


class DirectConv(nn.Module):
    """Torch's own convolution, in the memory layout channels-last."""

    def __init__(self, conv: nn.Conv3d, time: int) -> None:
        super().__init__()
        self.conv = conv.to(memory_format=torch.channels_last_3d)
        # To torch's order of the axes, [B, C, T, H, W], and back.
        self.order = (1, 4, 0, 2, 3) if time == 0 else (0, 4, 1, 2, 3)
        self.back = (2, 0, 3, 4, 1) if time == 0 else (0, 2, 3, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = x.permute(self.order).contiguous(memory_format=torch.channels_last_3d)
        return self.conv(x).permute(self.back)

    def release_bias(self) -> Tensor:
        """Return the bias and leave its addition to the caller from now on."""
        bias, self.conv.bias = self.conv.bias, None
        return bias


class _PairedStem(nn.Module):
    """The 7x7x7 convolution of stride 2 as one of frame pairs: four taps of stride 1 in time."""

    def __init__(self, conv: nn.Conv3d) -> None:
        super().__init__()
        self.kernel = conv.kernel_size[0]
        outputs, inputs = conv.weight.shape[:2]
        taps = F.pad(conv.weight, (0, 0, 0, 0, 0, 1))  # an eighth tap of zeros
        pairs = taps.view(outputs, inputs, 4, 2, self.kernel, self.kernel)
        pairs = pairs.permute(0, 3, 1, 2, 4, 5).flatten(1, 2)
        self.conv = TimeConv3d(pairs, conv.bias, time_padding=0, padding=0, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        frames, batch, height, width, channels = x.shape
        before = same_padding(frames, self.kernel, 2)[0]
        pairs = -(-frames // 2) + 3
        sides = same_padding(width, self.kernel, 2) + same_padding(height, self.kernel, 2)
        x = F.pad(x, (0, 0, *sides, 0, 0, before, 2 * pairs - frames - before))
        x = x.view(pairs, 2, *x.shape[1:]).permute(0, 2, 3, 4, 1, 5)
        return self.conv(x.reshape(*x.shape[:4], 2 * channels))


class CodeStem(DirectConv):
    """The first convolution on GPUs: of 8-bit pictures by `WindowStem`, of scaled ones by torch."""

    def __init__(self, conv: nn.Conv3d, exact: bool) -> None:
        super().__init__(conv, 1)
        self.window_stem = WindowStem(conv.weight, exact=exact)

    def forward(self, x: Tensor) -> Tensor:
        if x.is_floating_point():
            return super().forward(x)
        out = self.window_stem(x, self.conv.weight.dtype)
        return out if self.conv.bias is None else out.add_(self.conv.bias)


class MaxPool(nn.Module):
    """Max pooling of activations whose channels lie last."""

    def __init__(self, pool: SameMaxPool3d, time: int) -> None:
        super().__init__()
        self.axes, self.kernel, self.stride = (time, 2, 3), pool.kernel, pool.stride

    def forward(self, x: Tensor, bias: Tensor | None = None, rectify: bool = False) -> Tensor:
        """Pool `x`, then add `bias` `[C]` and apply ReLU (`rectify`)."""
        if x.is_cuda and pool_works(x.device, x.dtype):
            return window_max_pool(x, self.kernel, self.stride, bias, rectify=rectify)
        x = axis_max_pool(x, self.axes, self.kernel, self.stride)
        x = x if bias is None else x.add_(bias)
        return x.relu_() if rectify else x


class PooledUnit(nn.Module):
    """Convolution, max pooling, ReLU.

    ReLU and the addition of a channel's bias preserve order: they give the same after pooling as
    before it, where they would process four times as many values.
    """

    def __init__(self, linear: nn.Module, pool: MaxPool, late_bias: bool) -> None:
        super().__init__()
        self.linear, self.pool = linear, pool
        # CPUs add it within the convolution at no cost.
        self.bias = linear.release_bias() if late_bias else None

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(self.linear(x), self.bias, rectify=True)


class FastMixed(nn.Module):
    """An inception module whose branches are concatenated by torch."""

    def __init__(self, mixed: Mixed, time: int, minimal: bool) -> None:
        super().__init__()

        def fast(unit: Unit3D) -> _Rectified:
            return _fast_unit(unit, time, minimal)

        self.b0 = fast(mixed.b0)
        self.b1 = nn.Sequential(fast(mixed.b1a), fast(mixed.b1b))
        self.b2 = nn.Sequential(fast(mixed.b2a), fast(mixed.b2b))
        self.b3 = nn.Sequential(MaxPool(mixed.b3a, time), fast(mixed.b3b))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in (self.b0, self.b1, self.b2, self.b3)], -1)


class JoinedMixed(FastMixed):
    """An inception module on GPUs: one kernel adds biases, applies ReLU and concatenates."""

    def __init__(self, mixed: Mixed) -> None:
        super().__init__(mixed, 1, False)
        last = (self.b0, self.b1[1], self.b2[1], self.b3[1])
        self.lasts = [unit.linear for unit in last]
        # Matrix products (b0 and b3) add theirs at no cost.
        self.biases = [None, *(unit.linear.release_bias() for unit in last[1:3]), None]

    def forward(self, x: Tensor) -> Tensor:
        inputs = (x, self.b1[0](x), self.b2[0](x), self.b3[0](x))
        parts = [linear(part) for linear, part in zip(self.lasts, inputs, strict=True)]
        by_eights = all(part.shape[-1] % 8 == 0 for part in parts)
        if by_eights and x.is_cuda and join_works(x.device, x.dtype):
            return join_branches(parts, self.biases)
        shifted = zip(parts, self.biases, strict=True)
        return torch.cat([p if bias is None else p.add_(bias) for p, bias in shifted], -1).relu_()


class TenCrop(nn.Module):
    """Mean of a network's vectors over ten crops: four corners, the centre, and their mirrors.

    The network's `features` takes pictures of `size` x `size` pixels.
    """

    def __init__(self, network: nn.Module, size: int) -> None:
        super().__init__()
        self.network, self.size = network, size
        self.takes_codes = getattr(network, "takes_codes", False)  # see `FastI3D`

    def crops(self, x: Tensor) -> Iterator[Tensor]:
        """Yield ten views `[B, C, T, size, size]` of `x [B, C, T, H, W]`, C = 3 (RGB) or 2 (flow).

        Corners row by row from the upper left, the centre (the larger part of an odd margin comes
        after it), then the same mirrored; mirrored flow changes the sign of its horizontal
        component. Raises WstalError if the pictures are smaller than the crop.
        """
        height, width = x.shape[3:]
        down, right = height - self.size, width - self.size
        if min(down, right) < 0:
            raise WstalError(
                f"crops of {self.size} px do not fit pictures of {width}x{height} px; choose a "
                "crop of at most the recipe's short_side"
            )
        corners = [(0, 0), (0, right), (down, 0), (down, right), (down // 2, right // 2)]
        views = [x[..., t : t + self.size, s : s + self.size] for t, s in corners]
        yield from views
        sign = torch.ones(x.shape[1], device=x.device, dtype=x.dtype)
        if x.shape[1] == 2:
            sign[0] = -1
        for view in views:
            yield view.flip(4) * sign[:, None, None, None]

    def features(self, x: Tensor) -> Tensor:
        """`[B, C, T, H, W]` with H, W >= size -> `[B, D]`."""
        return torch.stack([self.network.features(view) for view in self.crops(x)]).mean(0)
