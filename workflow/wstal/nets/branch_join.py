"""Branches of an inception module joined on GPUs: bias, ReLU and concatenation in one pass.

As operations of their own they read and write the activations three times, which in half
precision takes as long as half of the convolutions.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from functools import cache

import torch
from torch import Tensor

from wstal.nets.kernel_trial import works

_BLOCK = 4096  # values of a program of four warps


def join_branches(parts: Sequence[Tensor], biases: Sequence[Tensor | None]) -> Tensor:
    """`[..., C]` each -> `[..., sum of C]`, with `biases` `[C]` (or none) added, rectified.

    Equal, bit for bit, to these operations one after the other. C are multiples of 8. Needs
    Triton, and a GPU or its interpreter.
    """
    from wstal.nets.join_kernel import join

    shape = parts[0].shape[:-1]
    total = sum(part.shape[-1] for part in parts)
    out = parts[0].new_empty(*shape, total)
    first, pixels = 0, shape.numel()
    with torch.cuda.device(out.device) if out.is_cuda else nullcontext():
        for part, bias in zip(parts, biases, strict=True):
            x, channels = part.contiguous(), part.shape[-1]
            block_c = 1 << (channels - 1).bit_length()
            block_p = max(1, _BLOCK // block_c)
            join[(-(-pixels // block_p),)](
                *(x, x if bias is None else bias, out, pixels),
                *(channels // 8, first // 8, total // 8),
                BIAS=bias is not None,
                BLOCK_P=block_p,
                BLOCK_C=block_c,
            )
            first += channels
    return out


@cache
def join_works(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether `join_branches` can be used on this GPU; a warning says why not.

    Asked by joining two small tensors and comparing.
    """
    x = torch.linspace(-1, 1, 2 * 3 * 5 * 40, device=device).mul(37).sin().to(dtype)
    parts, biases = x.view(2, 3, 5, 40).split([16, 24], -1), (x[:16], None)
    wanted = torch.cat([parts[0] + biases[0], parts[1]], -1).relu_()
    return works(
        lambda: torch.equal(join_branches(parts, biases), wanted),
        "Triton's kernel gives wrong sums",
        f"joining I3D's branches on {device} in several passes",
    )
