"""The Triton kernels of TV-L1 around its iteration: warp and resizing (median: `median_kernel.py`).

What they compute is told by `resampling.py`; how pairs' fields lie, by `tvl1_kernels.py`.
"""

import triton
import triton.language as tl

from wstal.flow.tvl1_kernels import INVERSE, IX, IY, RHO, STATE, row_pitch

WHOLE = tl.constexpr(12582912.0)  # 1.5 * 2**23: adding it leaves no fraction, ties to even
NO_GRADIENT = tl.constexpr(1e-20)  # divides in place of a vanished squared gradient


@triton.jit(do_not_specialize=["pairs", "height", "width"])
def warp(
    images, gradients, state, terms, table, order, going, again, turn, smoothed, count,
    pairs, height, width, CUDA: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Linearise a pair's image term around its flow, and set it going.

    `images` `[N, H, W]`, of which a pair is two neighbours; `gradients` `[2, N, H, W]` along x
    and y; `table` `[32, 4]`: weights of cv::remap by fraction of a pixel.
    """
    pair = tl.program_id(1)
    if tl.program_id(0) == 0:
        tl.store(order + pair, pair)
        tl.store(going + pair, 1)
        tl.store(again + pair, 0)
        tl.store(smoothed + pair, 0)
        tl.store(count + pair, tl.cast(0.0, tl.float64))
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    pitch = row_pitch(width)
    column, row = at % pitch, at // pitch
    pixels, taken = height * pitch, at < height * pitch
    inside = taken & (column < width)
    plane = tl.cast(pairs, tl.int64) * pixels
    first = tl.cast(pair, tl.int64) * pixels
    flow = state + (tl.load(turn + pair) * STATE * plane + first)
    u = tl.load(flow + at, inside, 0.0)
    v = tl.load(flow + plane + at, inside, 0.0)
    x, y = column.to(tl.float32) + u, row.to(tl.float32) + v
    if CUDA:
        left, a0, a1, a2, a3 = _taps_cuda(x, width)
        top, b0, b1, b2, b3 = _taps_cuda(y, height)
    else:
        left, a0, a1, a2, a3 = _taps(x, width, table)
        top, b0, b1, b2, b3 = _taps(y, height, table)
    frame = height * width
    images += tl.cast(pair, tl.int64) * frame
    second = images + frame
    dx = gradients + tl.cast(pair + 1, tl.int64) * frame
    dy = dx + tl.cast(pairs + 1, tl.int64) * frame  # a plane of all frames, one more than pairs
    i0, gx0, gy0 = _row(second, dx, dy, left, top, a0, a1, a2, a3, height, width, CUDA)
    i1, gx1, gy1 = _row(second, dx, dy, left, top + 1, a0, a1, a2, a3, height, width, CUDA)
    i2, gx2, gy2 = _row(second, dx, dy, left, top + 2, a0, a1, a2, a3, height, width, CUDA)
    i3, gx3, gy3 = _row(second, dx, dy, left, top + 3, a0, a1, a2, a3, height, width, CUDA)
    warped = i0 * b0 + i1 * b1 + i2 * b2 + i3 * b3
    ix = gx0 * b0 + gx1 * b1 + gx2 * b2 + gx3 * b3
    iy = gy0 * b0 + gy1 * b1 + gy2 * b2 + gy3 * b3
    rho = warped - ix * u - iy * v - tl.load(images + row * width + column, inside, 0.0)
    inverse = 1.0 / tl.maximum(ix * ix + iy * iy, NO_GRADIENT)
    terms += first
    tl.store(terms + IX * plane + at, tl.where(inside, ix, 0.0), taken)
    tl.store(terms + IY * plane + at, tl.where(inside, iy, 0.0), taken)
    tl.store(terms + RHO * plane + at, tl.where(inside, rho, 0.0), taken)
    tl.store(terms + INVERSE * plane + at, tl.where(inside, inverse, 0.0), taken)


@triton.jit
def _taps(at, length, table):
    """The first of four taps along one axis, and their weights, of cv::remap."""
    # From 4 px outside on all taps are zero.
    at = tl.minimum(tl.maximum(at, -5.0), (length + 5).to(tl.float32))
    fixed = ((at * 32.0 + WHOLE) - WHOLE).to(tl.int32)
    row = table + (fixed & 31) * 4
    return (
        (fixed >> 5) - 1,
        tl.load(row), tl.load(row + 1), tl.load(row + 2), tl.load(row + 3),
    )  # fmt: skip


@triton.jit
def _taps_cuda(at, length):
    """The same of OpenCV's CUDA module."""
    # Beyond these all taps are the edge.
    at = tl.minimum(tl.maximum(at, -3.0), (length + 1).to(tl.float32))
    floor = tl.floor(at)
    x = at - floor
    y = 1.0 - x
    a = ((-0.5 * (x + 1) + 2.5) * (x + 1) - 4.0) * (x + 1) + 2.0
    b = (1.5 * x - 2.5) * x * x + 1.0
    c = (1.5 * y - 2.5) * y * y + 1.0
    d = ((-0.5 * (y + 1) + 2.5) * (y + 1) - 4.0) * (y + 1) + 2.0
    gain = 1.0 / (a + b + c + d)
    return floor.to(tl.int32) - 1, a * gain, b * gain, c * gain, d * gain


@triton.jit
def _row(image, dx, dy, left, y, a0, a1, a2, a3, height, width, CUDA: tl.constexpr):
    """Four taps of image and gradient in row `y`, weighted."""
    i0, gx0, gy0 = _tap(image, dx, dy, left, y, height, width, CUDA)
    i1, gx1, gy1 = _tap(image, dx, dy, left + 1, y, height, width, CUDA)
    i2, gx2, gy2 = _tap(image, dx, dy, left + 2, y, height, width, CUDA)
    i3, gx3, gy3 = _tap(image, dx, dy, left + 3, y, height, width, CUDA)
    return (
        i0 * a0 + i1 * a1 + i2 * a2 + i3 * a3,
        gx0 * a0 + gx1 * a1 + gx2 * a2 + gx3 * a3,
        gy0 * a0 + gy1 * a1 + gy2 * a2 + gy3 * a3,
    )


@triton.jit
def _tap(image, dx, dy, x, y, height, width, CUDA: tl.constexpr):
    """Image and gradient at whole places; outside, the edge (CUDA) or zero."""
    clamped = _clamp(y, height) * width + _clamp(x, width)
    valid = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    if CUDA:
        valid = x == x
    return (
        tl.load(image + clamped, valid, 0.0),
        tl.load(dx + clamped, valid, 0.0),
        tl.load(dy + clamped, valid, 0.0),
    )


@triton.jit
def _clamp(k, length):
    return tl.minimum(tl.maximum(k, 0), length - 1)


@triton.jit(do_not_specialize=["height", "width", "new_height", "new_width", "pitch"])
def resize(
    source, target, near_x, weight_x, near_y, weight_y,
    height, width, new_height, new_width, pitch, gain, BLOCK: tl.constexpr,
):  # fmt: skip
    """Bilinear: images `[N, height, width]` -> `[N, new_height, new_width]`, times `gain`.

    Rows of the target are `pitch` apart. `near` and `weight` are a column's (row's) first tap and
    the weight of the one after it.
    """
    image = tl.cast(tl.program_id(1), tl.int64)
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < new_height * new_width
    y, x = at // new_width, at % new_width
    left, across = tl.load(near_x + x, inside, 0), tl.load(weight_x + x, inside, 0.0)
    top, down = tl.load(near_y + y, inside, 0), tl.load(weight_y + y, inside, 0.0)
    right, bottom = tl.minimum(left + 1, width - 1), tl.minimum(top + 1, height - 1)
    source += image * height * width
    above = tl.load(source + top * width + left) * (1 - across)
    above += tl.load(source + top * width + right) * across
    under = tl.load(source + bottom * width + left) * (1 - across)
    under += tl.load(source + bottom * width + right) * across
    mixed = (above * (1 - down) + under * down) * gain
    tl.store(target + image * new_height * pitch + y * pitch + x, mixed, inside)
