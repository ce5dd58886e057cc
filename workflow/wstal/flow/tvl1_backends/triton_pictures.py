"""The Triton kernels of TV-L1 around its iteration: warp and resizing (median: `median_kernel.py`).

What they compute is told by `resampling.py`; how pairs' fields lie, by `tvl1_kernels.py`.
"""

from __future__ import annotations

import triton
import triton.language as tl

from wstal.flow.tvl1_backends.triton_iteration import INVERSE, IX, IY, RHO, STATE, row_pitch

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


# FOLDED The Triton kernel of TV-L1's median filter: eight neighbouring medians at a time.
# FOLDED
# FOLDED How pairs' fields lie is told by `tvl1_kernels.py`. The time goes into minima and maxima; 36
# FOLDED values of a 6x6 patch hold the 5x5 windows of 2x2 pixels, which share most of the sorting:
# FOLDED
# FOLDED - The inner 4x4 lie in all four windows. Sorted, the three least and three greatest of them are
# FOLDED   never the median: with 9 more values at most 12 of a window may lie on either side of it.
# FOLDED - The four inner values of the row above (below) join for the two upper (lower) pixels. The
# FOLDED   middle six go on, as 5 more are to come.
# FOLDED - A pixel's own column of five joins last: the middle one of these 11 is the median.
# FOLDED
# FOLDED 3x3 windows go alike, by a core of 2x2 in a patch of 4x4. Two such patches, one two rows under
# FOLDED the other, share their sorted rows. A half of an exchange that nobody reads costs nothing: the
# FOLDED compiler drops it.


def tiles(height: int, width: int) -> int:
    """How many tiles of 2x4 pixels cover a picture; a program of `median` does `BLOCK` of them."""
    return -(-height // 4) * -(-width // 2)


@triton.jit(do_not_specialize=["pairs", "height", "width"])
def median(
    state, smooth, order, going, again, turn, smoothed, pairs, height, width,
    SIDE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """The flow of every pair that goes on through a 3x3 or 5x5 median filter, the edge repeated."""
    pair, component = tl.load(order + tl.program_id(1)), tl.program_id(2)
    if pair < 0:
        return
    if (tl.load(going + pair) == 0) | (tl.load(again + pair) > 0):
        return
    if (tl.program_id(0) == 0) & (component == 0):
        tl.store(smoothed + pair, 1)
    pitch = row_pitch(width)
    plane = tl.cast(pairs, tl.int64) * (height * pitch)
    first = component * plane + tl.cast(pair, tl.int64) * (height * pitch)
    flow = state + (tl.load(turn + pair) * STATE * plane + first)
    tile = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x, y = tile % (pitch // 2) * 2, tile // (pitch // 2) * 4
    # Of each row: its left end, what lies between sorted, its right end.
    if SIDE == 5:
        l0, a0, b0, c0, d0, r0 = _row6(flow, x, y - 2, height, width)
        l1, a1, b1, c1, d1, r1 = _row6(flow, x, y - 1, height, width)
        l2, a2, b2, c2, d2, r2 = _row6(flow, x, y, height, width)
        l3, a3, b3, c3, d3, r3 = _row6(flow, x, y + 1, height, width)
        l4, a4, b4, c4, d4, r4 = _row6(flow, x, y + 2, height, width)
        l5, a5, b5, c5, d5, r5 = _row6(flow, x, y + 3, height, width)
        l6, a6, b6, c6, d6, r6 = _row6(flow, x, y + 4, height, width)
        l7, a7, b7, c7, d7, r7 = _row6(flow, x, y + 5, height, width)
        e0, e1, e2, e3, e4, e5, e6, e7 = _merge4(a1, b1, c1, d1, a2, b2, c2, d2)
        f0, f1, f2, f3, f4, f5, f6, f7 = _merge4(a3, b3, c3, d3, a4, b4, c4, d4)
        g0, g1, g2, g3, g4, g5, g6, g7 = _merge4(a5, b5, c5, d5, a6, b6, c6, d6)
        m0, n0, m1, n1 = _medians5(
            e0, e1, e2, e3, e4, e5, e6, e7, f0, f1, f2, f3, f4, f5, f6, f7,
            a0, b0, c0, d0, a5, b5, c5, d5,
            l0, l1, l2, l3, l4, l5, r0, r1, r2, r3, r4, r5,
        )  # fmt: skip
        m2, n2, m3, n3 = _medians5(
            f0, f1, f2, f3, f4, f5, f6, f7, g0, g1, g2, g3, g4, g5, g6, g7,
            a2, b2, c2, d2, a7, b7, c7, d7,
            l2, l3, l4, l5, l6, l7, r2, r3, r4, r5, r6, r7,
        )  # fmt: skip
    else:
        l0, a0, b0, r0 = _row4(flow, x, y - 1, height, width)
        l1, a1, b1, r1 = _row4(flow, x, y, height, width)
        l2, a2, b2, r2 = _row4(flow, x, y + 1, height, width)
        l3, a3, b3, r3 = _row4(flow, x, y + 2, height, width)
        l4, a4, b4, r4 = _row4(flow, x, y + 3, height, width)
        l5, a5, b5, r5 = _row4(flow, x, y + 4, height, width)
        m0, n0, m1, n1 = _medians3(a0, b0, a1, b1, a2, b2, a3, b3, l0, l1, l2, l3, r0, r1, r2, r3)
        m2, n2, m3, n3 = _medians3(a2, b2, a3, b3, a4, b4, a5, b5, l2, l3, l4, l5, r2, r3, r4, r5)
    smooth += first
    _store(smooth, x, y, m0, n0, height, width)
    _store(smooth, x, y + 1, m1, n1, height, width)
    _store(smooth, x, y + 2, m2, n2, height, width)
    _store(smooth, x, y + 3, m3, n3, height, width)


@triton.jit
def _row6(flow, x, y, height, width):
    row = flow + _clamp(y, height) * row_pitch(width)
    a, b, c, d = _sort4(
        tl.load(row + _clamp(x - 1, width)),
        tl.load(row + _clamp(x, width)),
        tl.load(row + _clamp(x + 1, width)),
        tl.load(row + _clamp(x + 2, width)),
    )
    return (
        tl.load(row + _clamp(x - 2, width)),
        a, b, c, d,
        tl.load(row + _clamp(x + 3, width)),
    )  # fmt: skip


@triton.jit
def _row4(flow, x, y, height, width):
    row = flow + _clamp(y, height) * row_pitch(width)
    a, b = _order(tl.load(row + _clamp(x, width)), tl.load(row + _clamp(x + 1, width)))
    return tl.load(row + _clamp(x - 1, width)), a, b, tl.load(row + _clamp(x + 2, width))


@triton.jit
def _store(smooth, x, y, left, right, height, width):
    at = smooth + y * row_pitch(width) + x
    tl.store(at, left, y < height)
    tl.store(at + 1, right, (y < height) & (x + 1 < width))


@triton.jit
def _medians5(
    e0, e1, e2, e3, e4, e5, e6, e7, f0, f1, f2, f3, f4, f5, f6, f7,
    a0, b0, c0, d0, a5, b5, c5, d5,
    l0, l1, l2, l3, l4, l5, r0, r1, r2, r3, r4, r5,
):  # fmt: skip
    """Medians of 2x2 pixels, row by row.

    Of the patch: the sorted inner values of its rows 1 and 2, `e`, and 3 and 4, `f`; those of
    its rows 0 and 5; its leftmost and its rightmost column.
    """
    k3, k4, k5, k6, k7, k8, k9, k10, k11, k12 = _merge8(
        e0, e1, e2, e3, e4, e5, e6, e7, f0, f1, f2, f3, f4, f5, f6, f7
    )
    s0, s1, s2, s3, s4, s5 = _join5(k3, k4, k5, k6, k7, k8, k9, k10, k11, k12, a0, b0, c0, d0)
    t0, t1, t2, t3, t4, t5 = _join5(k3, k4, k5, k6, k7, k8, k9, k10, k11, k12, a5, b5, c5, d5)
    l1, l2, l3, l4 = _sort4(l1, l2, l3, l4)
    r1, r2, r3, r4 = _sort4(r1, r2, r3, r4)
    return (
        _middle11(s0, s1, s2, s3, s4, s5, l1, l2, l3, l4, l0),
        _middle11(s0, s1, s2, s3, s4, s5, r1, r2, r3, r4, r0),
        _middle11(t0, t1, t2, t3, t4, t5, l1, l2, l3, l4, l5),
        _middle11(t0, t1, t2, t3, t4, t5, r1, r2, r3, r4, r5),
    )


@triton.jit
def _medians3(a0, b0, a1, b1, a2, b2, a3, b3, l0, l1, l2, l3, r0, r1, r2, r3):
    """Of a patch of four rows: the sorted inner values of each, then its outer columns."""
    k0, k1, k2, k3 = _merge2(a1, b1, a2, b2)
    s0, s1, s2, s3 = _join3(k0, k1, k2, k3, a0, b0)
    t0, t1, t2, t3 = _join3(k0, k1, k2, k3, a3, b3)
    l1, l2 = _order(l1, l2)
    r1, r2 = _order(r1, r2)
    return (
        _middle7(s0, s1, s2, s3, l1, l2, l0),
        _middle7(s0, s1, s2, s3, r1, r2, r0),
        _middle7(t0, t1, t2, t3, l1, l2, l3),
        _middle7(t0, t1, t2, t3, r1, r2, r3),
    )


@triton.jit
def _order(a, b):
    return tl.minimum(a, b), tl.maximum(a, b)


@triton.jit
def _sort4(a, b, c, d):
    a, b = _order(a, b)
    c, d = _order(c, d)
    return _merge2(a, b, c, d)


# Batcher's odd-even merge: of two sorted lists, merge what has even ranks, and what has odd ones;
# then only neighbours in the result, one of each, may be out of order.


@triton.jit
def _merge2(a0, a1, b0, b1):
    p0, p1 = _order(a0, b0)
    q0, q1 = _order(a1, b1)
    p1, q0 = _order(p1, q0)
    return p0, p1, q0, q1


@triton.jit
def _merge4(a0, a1, a2, a3, b0, b1, b2, b3):
    p0, p1, p2, p3 = _merge2(a0, a2, b0, b2)
    q0, q1, q2, q3 = _merge2(a1, a3, b1, b3)
    p1, q0 = _order(p1, q0)
    p2, q1 = _order(p2, q1)
    p3, q2 = _order(p3, q2)
    return p0, p1, q0, p2, q1, p3, q2, q3


@triton.jit
def _merge8(a0, a1, a2, a3, a4, a5, a6, a7, b0, b1, b2, b3, b4, b5, b6, b7):
    """Ranks 3 to 12 of 0 to 15."""
    _, _, p2, p3, p4, p5, p6, _ = _merge4(a0, a2, a4, a6, b0, b2, b4, b6)
    _, q1, q2, q3, q4, q5, _, _ = _merge4(a1, a3, a5, a7, b1, b3, b5, b7)
    p2, q1 = _order(p2, q1)
    p3, q2 = _order(p3, q2)
    p4, q3 = _order(p4, q3)
    p5, q4 = _order(p5, q4)
    p6, q5 = _order(p6, q5)
    return p2, q1, p3, q2, p4, q3, p5, q4, p6, q5


@triton.jit
def _join5(a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, b0, b1, b2, b3):
    """Ranks 4 to 9 of 0 to 13, of ten and four."""
    _, _, p2, p3, p4, p5, _ = _merge5_2(a0, a2, a4, a6, a8, b0, b2)
    _, q1, q2, q3, q4, _, _ = _merge5_2(a1, a3, a5, a7, a9, b1, b3)
    p3, q2 = _order(p3, q2)
    p4, q3 = _order(p4, q3)
    return tl.maximum(p2, q1), p3, q2, p4, q3, tl.minimum(p5, q4)


@triton.jit
def _merge5_2(a0, a1, a2, a3, a4, b0, b1):
    p0, p1, p2, p3 = _insert3(a0, a2, a4, b0)
    q0, q1, q2 = _insert2(a1, a3, b1)
    p1, q0 = _order(p1, q0)
    p2, q1 = _order(p2, q1)
    p3, q2 = _order(p3, q2)
    return p0, p1, q0, p2, q1, p3, q2


@triton.jit
def _join3(a0, a1, a2, a3, b0, b1):
    """Ranks 1 to 4 of 0 to 5, of four and two."""
    _, p1, p2 = _insert2(a0, a2, b0)
    q0, q1, _ = _insert2(a1, a3, b1)
    p1, q0 = _order(p1, q0)
    p2, q1 = _order(p2, q1)
    return p1, q0, p2, q1


@triton.jit
def _insert2(a, b, new):
    a, new = _order(a, new)
    b, new = _order(b, new)
    return a, b, new


@triton.jit
def _insert3(a, b, c, new):
    a, b, new = _insert2(a, b, new)
    c, new = _order(c, new)
    return a, b, c, new


# Of two sorted lists, n + 1 and n long, the middle one is the least of what has n + 1 values at
# or below it: the greater of a[i] and b[n - 1 - i] each has, and a[n].


@triton.jit
def _middle11(a0, a1, a2, a3, a4, a5, b0, b1, b2, b3, new):
    b0, b1, b2, new = _insert3(b0, b1, b2, new)
    b3, b4 = _order(b3, new)
    low = tl.minimum(tl.maximum(a0, b4), tl.maximum(a1, b3))
    middle = tl.minimum(tl.maximum(a2, b2), tl.maximum(a3, b1))
    return tl.minimum(tl.minimum(low, middle), tl.minimum(tl.maximum(a4, b0), a5))


@triton.jit
def _middle7(a0, a1, a2, a3, b0, b1, new):
    b0, b1, b2 = _insert2(b0, b1, new)
    low = tl.minimum(tl.maximum(a0, b2), tl.maximum(a1, b1))
    return tl.minimum(low, tl.minimum(tl.maximum(a2, b0), a3))
