"""Max pooling one axis after the other, by whole-tensor maxima: any memory layout, no indices."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from wstal.nets.same_padding import same_padding


def axis_max_pool(
    x: Tensor, axes: Sequence[int], kernel: Sequence[int], stride: Sequence[int]
) -> Tensor:
    """Max over windows with "same" padding along `axes`; the border never wins.

    Equals `SameMaxPool3d`, whose kernels on CPUs are slow (they also find out where each maximum
    stood) and convert the memory layout on GPUs.
    """
    for axis, size, step in zip(axes, kernel, stride, strict=True):
        if size > 1:
            x = _along(x, axis, size, step)
    return x


def _along(x: Tensor, axis: int, kernel: int, stride: int) -> Tensor:
    length = x.shape[axis]
    before, outputs = same_padding(length, kernel, stride)[0], -(-length // stride)
    out = None
    # Tap 0 is the input under each output's own place: it alone is inside for every output.
    for tap in sorted(range(-before, kernel - before), key=abs):
        first = -(tap // stride) if tap < 0 else 0  # the first and the last output that has it
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
