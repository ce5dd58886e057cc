"""Triton kernel of TV-L1's median filter: eight neighbouring medians at a time.

`triton_kernels.py` says how the pairs' fields lie. The time goes into minima and maxima. The 5x5
windows of 2x2 pixels lie in a patch of 6x6 values and share most of the sorting:

- The inner 4x4 values lie in all four windows. Sorted, their three least and three greatest are
  never the median: with 9 more values, at most 12 of a window can lie on either side of it.
- The four inner values of the row above (below) join for the two upper (lower) pixels. The middle
  six remain, as 5 more are to come.
- A pixel's own column of five joins last: the middle one of these 11 is the median.

3x3 windows work alike, with a core of 2x2 in a patch of 4x4. Two such patches, the second two rows
below the first, share their sorted rows. A half of an exchange that nothing reads costs nothing:
the compiler removes it.
"""

from __future__ import annotations

import triton
import triton.language as tl

from wstal.flow.tvl1_backends.triton_kernels import STATE, clamp, row_pitch


def tiles(height: int, width: int) -> int:
    """Return how many tiles of 2x4 pixels cover a picture; a program computes `BLOCK` of them."""
    return -(-height // 4) * -(-width // 2)


@triton.jit(do_not_specialize=["pairs", "height", "width"])
def median(
    state,
    smooth,
    order,
    going,
    again,
    turn,
    smoothed,
    pairs,
    height,
    width,
    SIDE: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Filter the flow of every pair that goes on by 3x3 or 5x5 medians, with the edge repeated."""
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
    # Of each row: its leftmost value, its inner values sorted, its rightmost value.
    if SIDE == 5:
        l0, a0, b0, c0, d0, r0 = _row6(flow, x, y - 2, height, width)
        l1, a1, b1, c1, d1, r1 = _row6(flow, x, y - 1, height, width)
        l2, a2, b2, c2, d2, r2 = _row6(flow, x, y, height, width)
        l3, a3, b3, c3, d3, r3 = _row6(flow, x, y + 1, height, width)
        l4, a4, b4, c4, d4, r4 = _row6(flow, x, y + 2, height, width)
        l5, a5, b5, c5, d5, r5 = _row6(flow, x, y + 3, height, width)
        l6, a6, b6, c6, d6, r6 = _row6(flow, x, y + 4, height, width)
        l7, a7, b7, c7, d7, r7 = _row6(flow, x, y + 5, height, width)
        e = _merge4(a1, b1, c1, d1, a2, b2, c2, d2)
        f = _merge4(a3, b3, c3, d3, a4, b4, c4, d4)
        g = _merge4(a5, b5, c5, d5, a6, b6, c6, d6)
        left, right = (l0, l1, l2, l3, l4, l5), (r0, r1, r2, r3, r4, r5)
        m0, n0, m1, n1 = _medians5(e, f, (a0, b0, c0, d0), (a5, b5, c5, d5), left, right)
        left, right = (l2, l3, l4, l5, l6, l7), (r2, r3, r4, r5, r6, r7)
        m2, n2, m3, n3 = _medians5(f, g, (a2, b2, c2, d2), (a7, b7, c7, d7), left, right)
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
    row = flow + clamp(y, height) * row_pitch(width)
    a, b, c, d = _sort4(
        tl.load(row + clamp(x - 1, width)),
        tl.load(row + clamp(x, width)),
        tl.load(row + clamp(x + 1, width)),
        tl.load(row + clamp(x + 2, width)),
    )
    return (
        tl.load(row + clamp(x - 2, width)),
        a,
        b,
        c,
        d,
        tl.load(row + clamp(x + 3, width)),
    )


@triton.jit
def _row4(flow, x, y, height, width):
    row = flow + clamp(y, height) * row_pitch(width)
    a, b = _order(tl.load(row + clamp(x, width)), tl.load(row + clamp(x + 1, width)))
    return tl.load(row + clamp(x - 1, width)), a, b, tl.load(row + clamp(x + 2, width))


@triton.jit
def _store(smooth, x, y, left, right, height, width):
    at = smooth + y * row_pitch(width) + x
    tl.store(at, left, y < height)
    tl.store(at + 1, right, (y < height) & (x + 1 < width))


@triton.jit
def _medians5(upper, lower, top, bottom, left, right):
    """Return the medians of 2x2 pixels, row by row, from a patch of 6x6 values.

    `upper [8]` and `lower [8]` are the sorted inner values of its rows 1 and 2, and 3 and 4; `top
    [4]` and `bottom [4]` those of its rows 0 and 5; `left [6]` and `right [6]` its outer columns.
    """
    core = _merge8(upper, lower)
    above, below = _join5(core, top), _join5(core, bottom)
    inner_left = _sort4(left[1], left[2], left[3], left[4])
    inner_right = _sort4(right[1], right[2], right[3], right[4])
    return (
        _middle11(above, inner_left, left[0]),
        _middle11(above, inner_right, right[0]),
        _middle11(below, inner_left, left[5]),
        _middle11(below, inner_right, right[5]),
    )


@triton.jit
def _medians3(a0, b0, a1, b1, a2, b2, a3, b3, l0, l1, l2, l3, r0, r1, r2, r3):
    """Return the medians of 2x2 pixels, row by row, from a patch of 4x4 values.

    First the sorted inner values of each row, then the outer columns.
    """
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


# Batcher's odd-even merge of two sorted lists: merge their values of even ranks and those of odd
# ranks; then only neighbours in the result, one of each, may be in the wrong order.


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
def _merge8(a, b):
    """Return the ranks 3 to 12 of 0 to 15."""
    _, _, p2, p3, p4, p5, p6, _ = _merge4(a[0], a[2], a[4], a[6], b[0], b[2], b[4], b[6])
    _, q1, q2, q3, q4, q5, _, _ = _merge4(a[1], a[3], a[5], a[7], b[1], b[3], b[5], b[7])
    p2, q1 = _order(p2, q1)
    p3, q2 = _order(p3, q2)
    p4, q3 = _order(p4, q3)
    p5, q4 = _order(p5, q4)
    p6, q5 = _order(p6, q5)
    return p2, q1, p3, q2, p4, q3, p5, q4, p6, q5


@triton.jit
def _join5(a, b):
    """Return the ranks 4 to 9 of 0 to 13, of ten and four."""
    _, _, p2, p3, p4, p5, _ = _merge5_2(a[0], a[2], a[4], a[6], a[8], b[0], b[2])
    _, q1, q2, q3, q4, _, _ = _merge5_2(a[1], a[3], a[5], a[7], a[9], b[1], b[3])
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
    """Return the ranks 1 to 4 of 0 to 5, of four and two."""
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


# The median of two sorted lists, a of n + 1 and b of n values, is the least value with n + 1 values
# at or below it: each max(a[i], b[n - 1 - i]) has these, and so has a[n].


@triton.jit
def _middle11(a, b, new):
    """Return the median of `a [6]`, `b [4]` and `new`."""
    b0, b1, b2, new = _insert3(b[0], b[1], b[2], new)
    b3, b4 = _order(b[3], new)
    low = tl.minimum(tl.maximum(a[0], b4), tl.maximum(a[1], b3))
    middle = tl.minimum(tl.maximum(a[2], b2), tl.maximum(a[3], b1))
    return tl.minimum(tl.minimum(low, middle), tl.minimum(tl.maximum(a[4], b0), a[5]))


@triton.jit
def _middle7(a0, a1, a2, a3, b0, b1, new):
    b0, b1, b2 = _insert2(b0, b1, new)
    low = tl.minimum(tl.maximum(a0, b2), tl.maximum(a1, b1))
    return tl.minimum(low, tl.minimum(tl.maximum(a2, b0), a3))
