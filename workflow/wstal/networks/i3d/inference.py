"""Inception-I3D for feature extraction: the same function as the network, computed faster.

Batch norm is folded into the convolutions, channels lie last in memory throughout, 1x1x1
convolutions are matrix products, pooling keeps the layout and comes before ReLU. In float32 on
CPUs, convolutions over time are done by minimal filtering (`time_convolution`), in about half
the products; on GPUs pooling is one pass (`window_pool`), joining branches another
(`branch_join`), and the first convolution takes the pictures as they are stored (`window_stem`).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wstal.base.errors import WstalError
from wstal.networks.i3d.convolution import TimeConv3d, axis_max_pool
from wstal.networks.i3d.cuda import (
    WindowStem,
    join_branches,
    join_works,
    one_pass_works,
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

# FOLDED Batch norm of an evaluated network folded into its convolutions: fewer passes, same numbers.


def fold_batchnorm(network: nn.Module) -> nn.Module:
    """A copy of `network` for inference in which every `conv3d`, `bn` pair is one convolution.

    With s = gamma / sqrt(var + eps): weight' = s weight, bias' = beta - s mean (+ s bias). It is
    computed in float64, so that what remains is rounding (1e-5 relative).
    """
    folded = copy.deepcopy(network).eval().requires_grad_(False)
    for module in folded.modules():
        conv, norm = getattr(module, "conv3d", None), getattr(module, "bn", None)
        if not (isinstance(conv, nn.Conv3d) and isinstance(norm, nn.BatchNorm3d)):
            continue
        scale = norm.weight.double() / torch.sqrt(norm.running_var.double() + norm.eps)
        bias = norm.bias.double() - scale * norm.running_mean.double()
        if conv.bias is not None:
            bias = bias + scale * conv.bias.double()
        weight = conv.weight.double() * scale[:, None, None, None, None]
        conv.weight = nn.Parameter(weight.to(conv.weight.dtype), requires_grad=False)
        conv.bias = nn.Parameter(bias.to(conv.weight.dtype), requires_grad=False)
        module.bn = nn.Identity()
    return folded


PRECISIONS = {
    "fp32": torch.float32,
    "tf32": torch.float32,
    "fp16": torch.float16,
    "bf16": torch.bfloat16,
}
EXACT = "fp32"
_LAST_OF_FRONT = "MaxPool3d_4a_3x3"
# At two steps of time, as in snippets of 16 frames, half the taps lie outside: nothing to save.
_SHORT = ("Mixed_5b", "Mixed_5c")


def for_inference(network: nn.Module, device: torch.device, precision: str = EXACT) -> nn.Module:
    """A copy of `network` on `device` whose `features` are faster to compute.

    Inception-I3D becomes `FastI3D`; other networks are folded and laid channels-last, in
    float32 only. `fp32` is exact up to rounding (torch's TF32 is switched off for the process,
    by `tf32` on). Raises WstalError for an unknown precision, or one that the device lacks.
    """
    if precision not in PRECISIONS:
        raise WstalError(f"precision {precision!r} is none of {', '.join(PRECISIONS)}")
    if device.type == "cpu" and precision in ("tf32", "fp16"):
        raise WstalError(f"precision {precision} needs a GPU; on CPUs use fp32 or bf16")
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    if isinstance(network, InceptionI3D):
        return FastI3D(network, device, PRECISIONS[precision], precision == EXACT)
    if precision != EXACT:
        raise WstalError(f"precision {precision} is for Inception-I3D; this network takes fp32")
    return fold_batchnorm(network).to(device, memory_format=torch.channels_last_3d)


class FastI3D(nn.Module):
    """`InceptionI3D.features` in a given type; build it by `for_inference`.

    Activations are `[T, B, H, W, C]` in float32 on CPUs, elsewhere `[B, T, H, W, C]`. CPUs take
    the large first half snippet by snippet, so that it stays in the cache, and batch the rest.
    `takes_codes`: whether snippets may come as 8-bit pictures, which it scales itself, faster.
    `exact` is for those, in float32: whether their weights keep all digits.
    """

    def __init__(
        self,
        network: InceptionI3D,
        device: torch.device,
        dtype: torch.dtype,
        exact: bool = True,
    ) -> None:
        super().__init__()
        folded = fold_batchnorm(network).to(device, dtype)
        self.on_cpu = device.type == "cpu"
        self.time = 0 if self.on_cpu and dtype == torch.float32 else 1
        self.dtype, self.feature_size = dtype, network.feature_size
        self.in_channels = network.in_channels
        border = ORDER.index(_LAST_OF_FRONT) + 1
        self.exact = exact
        on_gpu = device.type == "cuda"
        self.takes_codes = on_gpu and stem_works(device, dtype, self.in_channels, exact=exact)
        self.front = self._stages(folded, ORDER[:border])
        self.back = self._stages(folded, ORDER[border:])

    def _stages(self, folded: nn.Module, names: Iterable[str]) -> nn.Sequential:
        stages: list[nn.Module] = []
        for name in names:
            stage = getattr(folded, name)
            minimal = self.time == 0 and name not in _SHORT
            if isinstance(stage, SameMaxPool3d) and isinstance(stages[-1], _Rectified):
                late_bias = not self.on_cpu
                stages[-1] = _PooledUnit(stages[-1].linear, _Pool(stage, self.time), late_bias)
            elif isinstance(stage, SameMaxPool3d):
                stages.append(_Pool(stage, self.time))
            elif isinstance(stage, Mixed):
                mixed = _Mixed(stage, self.time, minimal) if self.on_cpu else _JoinedMixed(stage)
                stages.append(mixed)
            elif self.takes_codes and name == ORDER[0]:
                stages.append(_Rectified(_CodeStem(stage.conv3d, self.exact)))
            else:
                stages.append(_unit(stage, self.time, minimal))
        return nn.Sequential(*stages)

    def features(self, x: Tensor) -> Tensor:
        """`[B, in_channels, T, H, W]` with T >= 16 -> float32 `[B, 1024 * width]`.

        With `takes_codes` also uint8 or int8, not scaled. Raises WstalError as the network itself.
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


def _unit(unit: Unit3D, time: int, minimal: bool) -> nn.Module:
    """Convolution with its folded norm, and ReLU."""
    conv = unit.conv3d
    if conv.kernel_size == (1, 1, 1):
        return _Rectified(_Pointwise(conv))
    if not minimal:
        return _Rectified(_Direct(conv, time))
    if conv.stride == (2, 2, 2):
        return _Rectified(_Stem(conv))
    padding = conv.kernel_size[0] // 2
    return _Rectified(TimeConv3d(conv.weight, conv.bias, time_padding=padding, padding=padding))


class _Rectified(nn.Module):
    def __init__(self, linear: Callable[[Tensor], Tensor]) -> None:
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


class _Direct(nn.Module):
    """The convolution itself."""

    def __init__(self, conv: nn.Conv3d, time: int) -> None:
        super().__init__()
        self.conv = conv.to(memory_format=torch.channels_last_3d)
        # Through the logical order of torch and back.
        self.order = (1, 4, 0, 2, 3) if time == 0 else (0, 4, 1, 2, 3)
        self.back = (2, 0, 3, 4, 1) if time == 0 else (0, 2, 3, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = x.permute(self.order).contiguous(memory_format=torch.channels_last_3d)
        return self.conv(x).permute(self.back)

    def release_bias(self) -> Tensor:
        """The bias, which from now on is for others to add."""
        bias, self.conv.bias = self.conv.bias, None
        return bias


class _Stem(nn.Module):
    """The 7x7x7 convolution of stride 2: of frames in pairs, stride 1 in time with four taps."""

    def __init__(self, conv: nn.Conv3d) -> None:
        super().__init__()
        self.kernel = conv.kernel_size[0]
        outputs, inputs = conv.weight.shape[:2]
        taps = F.pad(conv.weight, (0, 0, 0, 0, 0, 1))  # an eighth tap, of zeros
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


class _CodeStem(_Direct):
    """The first convolution on GPUs: of 8-bit pictures by `window_stem`, of others as they come."""

    def __init__(self, conv: nn.Conv3d, exact: bool) -> None:
        super().__init__(conv, 1)
        self.window_stem = WindowStem(conv.weight, exact=exact)

    def forward(self, x: Tensor) -> Tensor:
        if x.is_floating_point():
            return super().forward(x)
        out = self.window_stem(x, self.conv.weight.dtype)
        return out if self.conv.bias is None else out.add_(self.conv.bias)


class _Pool(nn.Module):
    def __init__(self, pool: SameMaxPool3d, time: int) -> None:
        super().__init__()
        self.axes, self.kernel, self.stride = (time, 2, 3), pool.kernel, pool.stride

    def forward(self, x: Tensor, bias: Tensor | None = None, rectify: bool = False) -> Tensor:
        """Pooled; then `bias` is added and ReLU applied (`rectify`)."""
        if x.is_cuda and one_pass_works(x.device, x.dtype):
            return window_max_pool(x, self.kernel, self.stride, bias, rectify=rectify)
        x = axis_max_pool(x, self.axes, self.kernel, self.stride)
        x = x if bias is None else x.add_(bias)
        return x.relu_() if rectify else x


class _PooledUnit(nn.Module):
    """Convolution, max pooling, ReLU. As ReLU and the addition of a channel's bias preserve order,
    they give the same after pooling as before it, and take a quarter of the values there."""

    def __init__(self, linear: nn.Module, pool: _Pool, late_bias: bool) -> None:
        super().__init__()
        self.linear, self.pool = linear, pool
        # CPUs add it within the convolution, at no cost.
        self.bias = linear.release_bias() if late_bias else None

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(self.linear(x), self.bias, rectify=True)


class _Mixed(nn.Module):
    """An inception module."""

    def __init__(self, mixed: Mixed, time: int, minimal: bool) -> None:
        super().__init__()
        self.b0 = _unit(mixed.b0, time, minimal)
        self.b1 = nn.Sequential(*(_unit(unit, time, minimal) for unit in (mixed.b1a, mixed.b1b)))
        self.b2 = nn.Sequential(*(_unit(unit, time, minimal) for unit in (mixed.b2a, mixed.b2b)))
        self.b3 = nn.Sequential(_Pool(mixed.b3a, time), _unit(mixed.b3b, time, minimal))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in (self.b0, self.b1, self.b2, self.b3)], -1)


class _JoinedMixed(_Mixed):
    """It on GPUs: biases, ReLU and the concatenation come last, in one pass where that works."""

    def __init__(self, mixed: Mixed) -> None:
        super().__init__(mixed, 1, False)
        last = (self.b0, self.b1[1], self.b2[1], self.b3[1])
        self.lasts = [unit.linear for unit in last]
        # Products of matrices add theirs at no cost.
        self.biases = [None, *(unit.linear.release_bias() for unit in last[1:3]), None]

    def forward(self, x: Tensor) -> Tensor:
        inputs = (x, self.b1[0](x), self.b2[0](x), self.b3[0](x))
        parts = [linear(part) for linear, part in zip(self.lasts, inputs, strict=True)]
        whole = all(part.shape[-1] % 8 == 0 for part in parts)
        if whole and x.is_cuda and join_works(x.device, x.dtype):
            return join_branches(parts, self.biases)
        shifted = zip(parts, self.biases, strict=True)
        return torch.cat([p if bias is None else p.add_(bias) for p, bias in shifted], -1).relu_()


# FOLDED Ten-crop: the mean of a network's vectors over four corners, the centre and their mirrors.


class TenCrop(nn.Module):
    """Whole pictures to vectors, by a network whose `features` takes `size` x `size`.

    In a mirrored flow the horizontal part has the other sign too.
    """

    def __init__(self, network: nn.Module, size: int) -> None:
        super().__init__()
        self.network, self.size = network, size
        self.takes_codes = getattr(network, "takes_codes", False)  # as `FastI3D`

    def crops(self, x: Tensor) -> Iterator[Tensor]:
        """Ten views `[B, C, T, size, size]` of `x [B, C, T, H, W]`; C is 3 (RGB) or 2 (flow).

        Corners from the upper left by rows, the centre (an odd margin leaves the larger part
        after), then the same mirrored. Raises WstalError if the pictures are smaller.
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
        """`[B, C, T, H, W]` -> `[B, D]`."""
        return torch.stack([self.network.features(view) for view in self.crops(x)]).mean(0)
