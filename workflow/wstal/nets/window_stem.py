"""Inception-I3D's first convolution on GPUs, from pictures as they are stored: whole numbers.

Matrix units take channels by eights, of which 3 (RGB) or 2 (flow) leave most empty, so that
libraries spend over half of the network's time here. Pixels are packed by fours of channels
instead, flow by pairs of frames: a line of a window is then 32 numbers in a row. As 8-bit codes
they are exact in half precision, and so are their products with half-precision weights; weights
of float32 come as the sum of two such, which leaves an error of 2^-22.
"""

from __future__ import annotations

from contextlib import nullcontext
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from wstal.nets.kernel_trial import works
from wstal.nets.same_padding import SameConv3d, same_padding

KERNEL, STRIDE = 7, 2
LINE = 32  # numbers of a line of a window: 8 pixels of 4 channels
SCALES = {torch.uint8: 255, torch.int8: 127}  # `features.snippets.scaled` divides by them
_PACKED = 1024  # numbers that a program packs
_TOP = 2.0**14  # weights are scaled to below it, so that the smallest keep their digits


class Cut(NamedTuple):
    """How the work is cut: pixels and numbers of a window at a time, frames at once, warps."""

    pixels: int
    depth: int
    frames: int
    warps: int
    stages: int


# The fastest for both streams of some twenty on an H200, or within a few hundredths of it.
HALF_CUT = Cut(pixels=128, depth=64, frames=2, warps=8, stages=3)
EXACT_CUT = Cut(pixels=128, depth=32, frames=1, warps=4, stages=4)


class WindowStem:
    """The convolution of weights `[O, C, 7, 7, 7]`, C <= 4, with stride 2 and "same" padding.

    Of uint8 or int8 pictures `[B, T, H, W, C]` on the weights' device, scaled to [-1, 1] as
    `features.snippets.scaled` does: `[B, ceil(T/2), ceil(H/2), ceil(W/2), O]` without bias. With
    `exact` to float32's rounding, else with weights of eleven bits, as TF32 and float16 have.
    Needs Triton, and a GPU or its interpreter.
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
        scale = _TOP / (most / torch.frexp(most).mantissa)  # a power of two
        lines = lines * scale
        high = lines.half()
        self.weights = torch.stack([high, (lines - high.double()).half()][: self.parts])
        self.factor = 1 / scale.flatten()[: self.width]

    def _lines(self, weight: Tensor) -> Tensor:
        """`[frames * width, K]`: the taps in the order of the packed picture's numbers."""
        packed = 4 // self.fold
        sides = (0, 1, 0, 0, 0, self.fold - 1, 0, packed - self.channels)
        taps = F.pad(weight, (*sides, 0, self.width - self.outputs))
        taps = taps.unflatten(2, (-1, self.fold)).permute(0, 2, 4, 5, 3, 1).flatten(4)
        late = [self.step * frame for frame in range(self.cut.frames)]  # slots that it starts
        taps = torch.stack([F.pad(taps, (0, 0) * 3 + (n, late[-1] - n)) for n in late])
        return taps.flatten(0, 1).flatten(1)

    def __call__(self, pictures: Tensor, dtype: torch.dtype) -> Tensor:
        """The convolution in `dtype`; the sums are float32's."""
        from wstal.nets.stem_kernel import pack_pictures, stem

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
        with torch.cuda.device(pictures.device) if pictures.is_cuda else nullcontext():
            pack_pictures[(batch * slots * padded_height, -(-line // _PACKED))](
                *(pictures, packed, *sizes, slots, padded_height, line, *before),
                CHANNELS=self.channels,
                FOLD=self.fold,
                UNSIGNED=pictures.dtype == torch.uint8,
                BLOCK=_PACKED,
            )
            stem[(-(-rows // cut.pixels),)](
                *(packed, self.weights, factor, out, rows, frames, height, width),
                *(groups, slots, padded_height * line, line, self.outputs),
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
    """Whether `WindowStem` can be used on this GPU, for results in `dtype`; a warning says why not.

    Asked by a small convolution beside torch's in float64. False without more ado for more than
    four channels.
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

    return works(
        trial,
        "Triton's kernel gives wrong sums",
        f"the first convolution of I3D on {device} by torch",
    )
