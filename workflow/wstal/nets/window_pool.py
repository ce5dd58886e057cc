"""Max pooling on GPUs in one pass over activations whose channels lie last.

Passes along one axis after the other (`axis_pool`) read and write the activations up to nine
times, which on a GPU takes longer than the convolutions between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from functools import cache

import torch
from torch import Tensor

from wstal.nets.axis_pool import axis_max_pool
from wstal.nets.kernel_trial import works
from wstal.nets.same_padding import same_padding

BLOCK = 1024  # values of a program of four warps: 16 bytes a thread of float16


def window_max_pool(
    x: Tensor,
    kernel: Sequence[int],
    stride: Sequence[int],
    bias: Tensor | None = None,
    *,
    rectify: bool = False,
) -> Tensor:
    """`[B, T, H, W, C]` -> `[B, ceil(T/s), ceil(H/s), ceil(W/s), C]` with "same" padding.

    The border never wins. Then `bias` `[C]` is added and ReLU applied (`rectify`). Equal to
    `axis_max_pool` and these two, bit for bit. Needs Triton, and a GPU or its interpreter.
    """
    from wstal.nets.pool_kernel import max_pool

    x = x.contiguous()
    batch, *sizes, channels = x.shape
    outputs = [-(-size // step) for size, step in zip(sizes, stride, strict=True)]
    before = [same_padding(*axis)[0] for axis in zip(sizes, kernel, stride, strict=True)]
    out = x.new_empty(batch, *outputs, channels)
    grid = (batch * outputs[0] * outputs[1], -(-outputs[2] * channels // BLOCK))
    with torch.cuda.device(x.device) if x.is_cuda else nullcontext():
        max_pool[grid](
            *(x, x if bias is None else bias, out, *sizes, channels, *outputs, *before),
            *(*kernel, *stride),
            RECTIFY=rectify,
            BIAS=bias is not None,
            BLOCK=BLOCK,
        )
    return out


@cache
def one_pass_works(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether `window_max_pool` can be used on this GPU; a warning says why not.

    Asked by pooling a small tensor and comparing; where not, pooling goes axis by axis.
    """
    x = torch.linspace(-1, 1, 2 * 3 * 5 * 6 * 16, device=device).mul(37).sin().to(dtype)
    x = x.view(2, 3, 5, 6, 16)
    kernel, stride = (3, 3, 3), (2, 2, 2)
    wanted = axis_max_pool(x, (1, 2, 3), kernel, stride).relu_()
    return works(
        lambda: torch.equal(window_max_pool(x, kernel, stride, rectify=True), wanted),
        "Triton's kernel gives wrong maxima",
        f"max pooling on {device} in several passes",
    )
