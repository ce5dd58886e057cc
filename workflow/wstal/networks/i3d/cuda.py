"""Three steps of Inception-I3D on GPUs, launched as Triton kernels (`kernels.py`).

- `WindowStem`, the first convolution, takes 8-bit pictures as they are stored. Matrix units take
  channels by eights, of which 3 (RGB) or 2 (flow) leave most empty, so that libraries spend over
  half of the network's time here. Pixels are packed by fours of channels instead, flow by pairs of
  frames: a line of a window is then 32 numbers in a row. 8-bit codes are exact in half precision,
  and so are their products with half-precision weights; weights of float32 are the sum of two
  such, which leaves an error of 2^-22.
- `window_max_pool` pools in one pass. Passes along one axis after the other (`axis_max_pool`) read
  and write the activations up to nine times, which takes longer than the convolutions between.
- `join_branches` adds biases, applies ReLU and concatenates the branches of an inception module in
  one pass. As separate operations they read and write the activations three times, which in half
  precision takes as long as half of the convolutions.

Each has a trial (`stem_works`, `pool_works`, `join_works`), because a driver or a Triton may fail
to compile the kernels, or compile them wrongly. This module imports Triton only to launch them.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from wstal.networks.i3d.cpu import axis_max_pool
from wstal.networks.i3d.network import SameConv3d, same_padding

PACK_BLOCK = 1024  # numbers of a program that packs pictures
POOL_BLOCK = 1024  # values of a program of four warps: 16 bytes a thread of float16
JOIN_BLOCK = 4096  # values of a program of four warps


def kernel_works(trial: Callable[[], bool], failure: str, fallback: str) -> bool:
    """Return whether `trial` confirms a kernel's result; if not, warn with the reason.

    `failure` is the reason given if the trial returns False, `fallback` what is done instead.
    Without Triton, with a failing driver or with a kernel that is compiled wrongly, another
    implementation is slower and equal up to rounding: that is never an error.
    """
    try:
        right, reason = trial(), failure
    except Exception as error:  # of many kinds: no Triton, compiler, driver
        right, reason = False, f"{type(error).__name__}: {error}"
    if not right:
        warnings.warn(f"{fallback}, slower: {reason}", stacklevel=3)
    return right


KERNEL, STRIDE = 7, 2
LINE = 32  # numbers of a line of a window: 8 pixels of 4 channels
SCALES = {torch.uint8: 255, torch.int8: 127}  # `features.snippets.scaled` divides by them
LARGEST_WEIGHT = 2.0**14  # weights are scaled to below it, so that the smallest keep their digits


class Cut(NamedTuple):
    """How the convolution is divided among programs.

    `pixels` and `frames` of the output a program, `depth` numbers of a window a step, and Triton's
    warps and pipeline stages.
    """

    pixels: int
    depth: int
    frames: int
    warps: int
    stages: int


# Of some twenty cuts the fastest for both streams on an H200, or within a few hundredths of it.
HALF_CUT = Cut(pixels=128, depth=64, frames=2, warps=8, stages=3)
EXACT_CUT = Cut(pixels=128, depth=32, frames=1, warps=4, stages=4)


class WindowStem:
    """The convolution with weights `[O, C, 7, 7, 7]`, C <= 4, stride 2 and "same" padding.

    It takes uint8 (RGB) or int8 (flow) pictures `[B, T, H, W, C]` on the weights' device, scales
    them to [-1, 1] as `features.snippets.scaled` does, and gives `[B, ceil(T/2), ceil(H/2),
    ceil(W/2), O]` without bias: with `exact` to float32's rounding, else with weights of eleven
    bits, as TF32 and float16 have. Needs Triton, and a GPU or Triton's interpreter.
    """

    def __init__(self, weight: Tensor, *, exact: bool, cut: Cut | None = None) -> None:
        self.outputs, self.channels = weight.shape[:2]
        cut = cut or (EXACT_CUT if exact else HALF_CUT)
        self.cut, self.parts = cut, 2 if exact else 1
        self.fold = 2 if self.channels <= 2 else 1  # frames of a pixel
        self.step = STRIDE // self.fold
        self.width = max(16, 1 << (self.outputs - 1).bit_length())
        lines = self._lines(weight.double())
        self.steps = -(-lines.shape[1] // cut.depth)
        lines = F.pad(lines, (0, self.steps * cut.depth - lines.shape[1]))
        most = lines.abs().amax(1, keepdim=True).clamp(min=2.0**-100)
        scale = LARGEST_WEIGHT / (most / torch.frexp(most).mantissa)  # a power of two
        lines = lines * scale
        high = lines.half()
        self.weights = torch.stack([high, (lines - high.double()).half()][: self.parts])
        self.factor = 1 / scale.flatten()[: self.width]

    def _lines(self, weight: Tensor) -> Tensor:
        """Return the taps in the order of the packed picture's numbers, `[frames * width, K]`."""
        packed = 4 // self.fold
        sides = (0, 1, 0, 0, 0, self.fold - 1, 0, packed - self.channels)
        taps = F.pad(weight, (*sides, 0, self.width - self.outputs))
        taps = taps.unflatten(2, (-1, self.fold)).permute(0, 2, 4, 5, 3, 1).flatten(4)
        late = [self.step * frame for frame in range(self.cut.frames)]  # first slot of each frame
        taps = torch.stack([F.pad(taps, (0, 0) * 3 + (n, late[-1] - n)) for n in late])
        return taps.flatten(0, 1).flatten(1)

    def __call__(self, pictures: Tensor, dtype: torch.dtype) -> Tensor:
        """Return the convolution in `dtype`; sums are computed in float32."""
        from wstal.networks.i3d.kernels import pack_pictures, stem

        pictures, cut = pictures.contiguous(), self.cut
        batch, *sizes = pictures.shape[:4]
        frames, height, width = (-(-size // STRIDE) for size in sizes)
        before = [same_padding(size, KERNEL, STRIDE)[0] for size in sizes]
        groups = -(-frames // cut.frames)
        depth = -(-self.steps * cut.depth // (LINE * KERNEL))
        slots = (groups - 1) * cut.frames * self.step + depth
        padded_height = STRIDE * (height - 1) + KERNEL
        # A multiple of 4 pixels: every window then starts at a multiple of 16 bytes.
        line = 4 * (-(-(STRIDE * (width - 1) + 8) // 4) * 4)
        packed = pictures.new_empty(batch, slots, padded_height, line, dtype=torch.float16)
        out = pictures.new_empty(batch, frames, height, width, self.outputs, dtype=dtype)
        rows = batch * groups * height * width
        factor = (self.factor / SCALES[pictures.dtype]).float()
        with _device_of(pictures):
            pack_pictures[(batch * slots * padded_height, -(-line // PACK_BLOCK))](
                pictures,
                packed,
                *sizes,
                slots,
                padded_height,
                line,
                *before,
                CHANNELS=self.channels,
                FOLD=self.fold,
                UNSIGNED=pictures.dtype == torch.uint8,
                BLOCK=PACK_BLOCK,
            )
            stem[(-(-rows // cut.pixels),)](
                packed,
                self.weights,
                factor,
                out,
                rows,
                frames,
                height,
                width,
                groups,
                slots,
                padded_height * line,
                line,
                self.outputs,
                STEP=self.step,
                STEPS=self.steps,
                PARTS=self.parts,
                OUT_FRAMES=cut.frames,
                BLOCK_M=cut.pixels,
                BLOCK_N=self.width,
                BLOCK_K=cut.depth,
                num_warps=cut.warps,
                num_stages=cut.stages,
            )
        return out


@cache
def stem_works(device: torch.device, dtype: torch.dtype, channels: int, *, exact: bool) -> bool:
    """Return whether `WindowStem` gives right results in `dtype` on this GPU; if not, warn.

    The trial is a small convolution, compared with torch's in float64. Without a warning False
    for more than four channels, which `WindowStem` does not support.
    """
    if channels > 4:
        return False
    taps = torch.arange(64 * channels * KERNEL**3).mul(0.7).sin()
    weight = taps.view(64, channels, *[KERNEL] * 3)
    codes = torch.arange(17 * 12 * 15 * channels).mul(37).remainder(255)  # an odd number of frames
    codes = codes.view(1, 17, 12, 15, channels).sub(0 if channels > 2 else 127)
    x = (codes * 2 / 255 - 1 if channels > 2 else codes / 127).double().permute(0, 4, 1, 2, 3)
    wanted = SameConv3d(channels, 64, KERNEL, STRIDE, bias=False).double()
    error = 1e-5 if exact else 1e-3
    if dtype != torch.float32:
        error += torch.finfo(dtype).eps

    @torch.inference_mode()
    def trial() -> bool:
        wanted.weight.copy_(weight)
        expected = wanted(x).permute(0, 2, 3, 4, 1)
        pictures = codes.to(torch.uint8 if channels > 2 else torch.int8).to(device)
        found = WindowStem(weight.to(device), exact=exact)(pictures, dtype).cpu().double()
        return (found - expected).abs().max().item() < error * expected.abs().max().item()

    return kernel_works(
        trial,
        "Triton's kernel gives wrong sums",
        f"the first convolution of I3D on {device} by torch",
    )


def window_max_pool(
    x: Tensor,
    kernel: Sequence[int],
    stride: Sequence[int],
    bias: Tensor | None = None,
    *,
    rectify: bool = False,
) -> Tensor:
    """Pool `[B, T, H, W, C]` to `[B, ceil(T/s), ceil(H/s), ceil(W/s), C]` with "same" padding.

    Then add `bias` `[C]` and apply ReLU (`rectify`). Equal, bit for bit, to `axis_max_pool` and
    the same operations after it. Needs Triton, and a GPU or Triton's interpreter.
    """
    from wstal.networks.i3d.kernels import max_pool

    x = x.contiguous()
    batch, *sizes, channels = x.shape
    outputs = [-(-size // step) for size, step in zip(sizes, stride, strict=True)]
    before = [same_padding(*axis)[0] for axis in zip(sizes, kernel, stride, strict=True)]
    out = x.new_empty(batch, *outputs, channels)
    grid = (batch * outputs[0] * outputs[1], -(-outputs[2] * channels // POOL_BLOCK))
    with _device_of(x):
        max_pool[grid](
            x,
            x if bias is None else bias,
            out,
            *sizes,
            channels,
            *outputs,
            *before,
            *kernel,
            *stride,
            RECTIFY=rectify,
            BIAS=bias is not None,
            BLOCK=POOL_BLOCK,
        )
    return out


@cache
def pool_works(device: torch.device, dtype: torch.dtype) -> bool:
    """Return whether `window_max_pool` gives right results in `dtype` on this GPU; if not, warn.

    The trial pools a small tensor and compares with `axis_max_pool`.
    """
    x = torch.linspace(-1, 1, 2 * 3 * 5 * 6 * 16, device=device).mul(37).sin().to(dtype)
    x = x.view(2, 3, 5, 6, 16)
    kernel, stride = (3, 3, 3), (2, 2, 2)
    wanted = axis_max_pool(x, (1, 2, 3), kernel, stride).relu_()
    return kernel_works(
        lambda: torch.equal(window_max_pool(x, kernel, stride, rectify=True), wanted),
        "Triton's kernel gives wrong maxima",
        f"max pooling on {device} in several passes",
    )


def join_branches(parts: Sequence[Tensor], biases: Sequence[Tensor | None]) -> Tensor:
    """Concatenate parts `[..., C]` to `[..., sum of C]` after adding `biases` `[C]` and ReLU.

    A bias may be None; every C is a multiple of 8. Equal, bit for bit, to the same operations one
    after the other. Needs Triton, and a GPU or Triton's interpreter.
    """
    from wstal.networks.i3d.kernels import join

    shape = parts[0].shape[:-1]
    total = sum(part.shape[-1] for part in parts)
    out = parts[0].new_empty(*shape, total)
    first, pixels = 0, shape.numel()
    with _device_of(out):
        for part, bias in zip(parts, biases, strict=True):
            x, channels = part.contiguous(), part.shape[-1]
            block_c = 1 << (channels - 1).bit_length()
            block_p = max(1, JOIN_BLOCK // block_c)
            join[(-(-pixels // block_p),)](
                x,
                x if bias is None else bias,
                out,
                pixels,
                channels // 8,
                first // 8,
                total // 8,
                BIAS=bias is not None,
                BLOCK_P=block_p,
                BLOCK_C=block_c,
            )
            first += channels
    return out


@cache
def join_works(device: torch.device, dtype: torch.dtype) -> bool:
    """Return whether `join_branches` gives right results in `dtype` on this GPU; if not, warn.

    The trial joins two small tensors and compares with torch.
    """
    x = torch.linspace(-1, 1, 2 * 3 * 5 * 40, device=device).mul(37).sin().to(dtype)
    parts, biases = x.view(2, 3, 5, 40).split([16, 24], -1), (x[:16], None)
    wanted = torch.cat([parts[0] + biases[0], parts[1]], -1).relu_()
    return kernel_works(
        lambda: torch.equal(join_branches(parts, biases), wanted),
        "Triton's kernel gives wrong sums",
        f"joining I3D's branches on {device} in several passes",
    )


def _device_of(x: Tensor) -> AbstractContextManager:
    """Make the GPU of `x` the current one: Triton launches there."""
    return torch.cuda.device(x.device) if x.is_cuda else nullcontext()
