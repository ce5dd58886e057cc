"""Triton kernels of TV-L1 in the order of their launches: resize, warp, iterate, judge, muster.

`torch.py` defines what they compute. The median filter between `warp` and `iterate` stands last.

Fields lie in planes `[plane, pair, height * pitch]`. The pitch is the width rounded up to an even
number, so that two columns are read at once; what lies right of the picture is finite and does not
count. A pair's state exists twice, so that no program reads what another one writes: `turn[pair]`
says which of the two is current. Further arrays, one entry a pair, control it: `going` (0: it has
ended at this warp), `again` (how many of the last iterations it must repeat, see `judge`),
`smoothed` (1: its flow, but not its duals, must be read from the median filter's output), all
int32, and `count`, float64, of OpenCV's CUDA semantics. Launches are for the pairs in `order`,
int32: those that go on, then -1 (see `muster`).
"""

from __future__ import annotations

import triton
import triton.language as tl

U1, U2, P11, P12, P21, P22 = (tl.constexpr(k) for k in range(6))  # planes of the state
STATE = tl.constexpr(6)
IX, IY, RHO, INVERSE = (tl.constexpr(k) for k in range(4))  # planes of the linearised image term
LANES = tl.constexpr(32)  # threads of a warp
WHOLE = tl.constexpr(12582912.0)  # 1.5 * 2**23: adding it leaves no fraction, ties to even
NO_GRADIENT = tl.constexpr(1e-20)  # divides in place of a vanished squared gradient


@triton.jit(do_not_specialize=["height", "width", "new_height", "new_width", "pitch"])
def resize(
    source,
    target,
    near_x,
    weight_x,
    near_y,
    weight_y,
    height,
    width,
    new_height,
    new_width,
    pitch,
    gain,
    BLOCK: tl.constexpr,
):
    """Resize `[N, height, width]` bilinearly to `[N, new_height, new_width]`, times `gain`.

    Rows of the target are `pitch` apart. `near` and `weight` are the first tap of each column (row)
    and the weight of the tap after it.
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


@triton.jit(do_not_specialize=["pairs", "height", "width"])
def warp(
    images,
    gradients,
    state,
    terms,
    table,
    order,
    going,
    again,
    turn,
    smoothed,
    count,
    pairs,
    height,
    width,
    CUDA: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Linearise a pair's image term around its flow, and let the pair go on.

    `images` `[N, H, W]`, a pair is two neighbours; `gradients` `[2, N, H, W]` along x
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
    i0, gx0, gy0 = _row_of_taps(second, dx, dy, left, top, a0, a1, a2, a3, height, width, CUDA)
    i1, gx1, gy1 = _row_of_taps(second, dx, dy, left, top + 1, a0, a1, a2, a3, height, width, CUDA)
    i2, gx2, gy2 = _row_of_taps(second, dx, dy, left, top + 2, a0, a1, a2, a3, height, width, CUDA)
    i3, gx3, gy3 = _row_of_taps(second, dx, dy, left, top + 3, a0, a1, a2, a3, height, width, CUDA)
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
    """Return the first of four taps along one axis, and their weights, as cv::remap."""
    # All taps are zero from 4 px outside on.
    at = tl.minimum(tl.maximum(at, -5.0), (length + 5).to(tl.float32))
    fixed = ((at * 32.0 + WHOLE) - WHOLE).to(tl.int32)
    row = table + (fixed & 31) * 4
    return (
        (fixed >> 5) - 1,
        tl.load(row),
        tl.load(row + 1),
        tl.load(row + 2),
        tl.load(row + 3),
    )


@triton.jit
def _taps_cuda(at, length):
    """Return the same as OpenCV's CUDA module."""
    # All taps are the edge beyond these.
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
def _row_of_taps(image, dx, dy, left, y, a0, a1, a2, a3, height, width, CUDA: tl.constexpr):
    """Return the weighted sums of four taps of image and gradient in row `y`."""
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
    """Load image and gradient at integer places; outside, the edge (CUDA) or zero."""
    clamped = clamp(y, height) * width + clamp(x, width)
    valid = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    if CUDA:
        valid = x == x
    return (
        tl.load(image + clamped, valid, 0.0),
        tl.load(dx + clamped, valid, 0.0),
        tl.load(dy + clamped, valid, 0.0),
    )


@triton.jit(do_not_specialize=["pairs", "height", "width", "across", "margin", "steps"])
def iterate(
    state,
    smooth,
    terms,
    change,
    order,
    going,
    again,
    turn,
    smoothed,
    pairs,
    height,
    width,
    across,
    margin,
    steps,
    limit,
    theta,
    rate,
    STRIPS: tl.constexpr,
    ROWS: tl.constexpr,
):
    """Do up to `2 * margin` iterations of a pair's tile, and store each one's squared change.

    A tile includes a margin on every side, because the result of each iteration is right one pixel
    less far to each side than that of the iteration before. It is divided into strips of ROWS rows,
    a warp each; a thread has two neighbouring columns of its strip in registers. Neighbours above
    and below are in the same thread except at a strip's first and last row, neighbours left and
    right in the same or the next thread.
    """
    tile, pair = tl.program_id(0), tl.load(order + tl.program_id(1))
    if pair < 0:
        return
    if tl.load(going + pair) == 0:
        return
    over = tl.load(again + pair)
    steps = tl.where(over > 0, over, steps)
    HEIGHT: tl.constexpr = STRIPS * ROWS
    WIDTH: tl.constexpr = 2 * LANES
    LAST: tl.constexpr = ROWS - 1
    # The compiler sees that both are even: two columns are one access.
    halo, pitch = 2 * margin, row_pitch(width)
    strip, lane = tl.arange(0, STRIPS)[:, None], tl.arange(0, LANES)[None, :]
    left, top = (tile % across) * (WIDTH - 2 * halo), (tile // across) * (HEIGHT - 2 * halo)
    own0, goes0 = _axis(2 * lane, left, width, halo, WIDTH)
    own1, goes1 = _axis(2 * lane + 1, left, width, halo, WIDTH)
    across_tile = tl.arange(0, WIDTH)[None, :]
    x = across_tile + (left - halo)
    in_x = (x >= 0) & (x < pitch)
    own_y, goes_y, places, inside = (), (), (), ()
    for r in tl.static_range(ROWS):
        own, goes = _axis(strip * ROWS + r, top, height, halo, HEIGHT)
        own_y, goes_y = own_y + (own,), goes_y + (goes,)
        y = strip * ROWS + (top + r - halo)
        places = places + (y * pitch + x,)
        inside = inside + (in_x & (y >= 0) & (y < height),)

    pixels = height * pitch
    plane = tl.cast(pairs, tl.int64) * pixels
    first = tl.cast(pair, tl.int64) * pixels
    now = tl.load(turn + pair)
    source = state + (now * STATE * plane + first)
    flow = source
    if tl.load(smoothed + pair) != 0:
        flow = smooth + first
    u1 = _read(flow + U1 * plane, places, inside, ROWS)
    u2 = _read(flow + U2 * plane, places, inside, ROWS)
    p11 = _read(source + P11 * plane, places, inside, ROWS)
    p12 = _read(source + P12 * plane, places, inside, ROWS)
    p21 = _read(source + P21 * plane, places, inside, ROWS)
    p22 = _read(source + P22 * plane, places, inside, ROWS)
    terms += first
    ix = _read(terms + IX * plane, places, inside, ROWS)
    iy = _read(terms + IY * plane, places, inside, ROWS)
    rho = _read(terms + RHO * plane, places, inside, ROWS)
    inverse = _read(terms + INVERSE * plane, places, inside, ROWS)

    SIZE: tl.constexpr = STRIPS * LANES
    at = tl.arange(0, SIZE)
    above = _four(tl.maximum(at - LANES, 0), SIZE)
    below = _four(tl.minimum(at + LANES, SIZE - 1), SIZE)
    before = tl.broadcast_to(tl.maximum(lane - 1, 0), (STRIPS, LANES))
    after = tl.broadcast_to(tl.minimum(lane + 1, LANES - 1), (STRIPS, LANES))
    # Declared contiguous, so that the lanes have the usual layout and no value must move.
    part = tl.max_contiguous(strip + lane // LANES, (1, LANES))
    change += (pair * halo * tl.num_programs(0) + tile) * STRIPS
    # Strips exchange values as soon as they exist and use them as late as possible.
    above1, above2 = _beyond(p12[LAST], p22[LAST], above, STRIPS)
    step = 0
    while step < steps:
        new1, new2 = (), ()
        changed0 = tl.zeros((STRIPS, LANES), tl.float32)
        changed1 = tl.zeros((STRIPS, LANES), tl.float32)
        for r in tl.static_range(ROWS):
            if r > 0:
                above1, above2 = p12[r - 1], p22[r - 1]
            a, b, moved0, moved1 = _primal_row(
                u1[r],
                u2[r],
                p11[r],
                p12[r],
                p21[r],
                p22[r],
                above1,
                above2,
                ix[r],
                iy[r],
                rho[r],
                inverse[r],
                before,
                limit,
                theta,
            )
            if r == 0:
                below1, below2 = _beyond(a, b, below, STRIPS)
            new1, new2 = new1 + (a,), new2 + (b,)
            changed0 += own_y[r] * moved0
            changed1 += own_y[r] * moved1
        u1, u2 = new1, new2
        squared = tl.sum(own0 * changed0 + own1 * changed1, 1)[:, None]
        place = change + step * tl.num_programs(0) * STRIPS + part
        tl.store(place, tl.broadcast_to(squared, (STRIPS, LANES)), lane == 0)

        a, b, c, d = _dual_row(
            u1[LAST],
            u2[LAST],
            below1,
            below2,
            p11[LAST],
            p12[LAST],
            p21[LAST],
            p22[LAST],
            goes0,
            goes1,
            goes_y[LAST],
            after,
            rate,
        )
        above1, above2 = _beyond(b, d, above, STRIPS)
        new11, new12, new21, new22 = (), (), (), ()
        for r in tl.static_range(LAST):
            e, f, g, h = _dual_row(
                u1[r],
                u2[r],
                u1[r + 1],
                u2[r + 1],
                p11[r],
                p12[r],
                p21[r],
                p22[r],
                goes0,
                goes1,
                goes_y[r],
                after,
                rate,
            )
            new11, new12 = new11 + (e,), new12 + (f,)
            new21, new22 = new21 + (g,), new22 + (h,)
        p11, p12, p21, p22 = new11 + (a,), new12 + (b,), new21 + (c,), new22 + (d,)
        step += 1

    target = state + ((1 - now) * STATE * plane + first)
    keeps = in_x & (across_tile >= halo) & (across_tile < WIDTH - halo)
    for r in tl.static_range(ROWS):
        in_strip = strip * ROWS + r
        own = inside[r] & keeps & (in_strip >= halo) & (in_strip < HEIGHT - halo)
        tl.store(target + U1 * plane + places[r], _row(u1[r]), own)
        tl.store(target + U2 * plane + places[r], _row(u2[r]), own)
        tl.store(target + P11 * plane + places[r], _row(p11[r]), own)
        tl.store(target + P12 * plane + places[r], _row(p12[r]), own)
        tl.store(target + P21 * plane + places[r], _row(p21[r]), own)
        tl.store(target + P22 * plane + places[r], _row(p22[r]), own)


@triton.jit
def _axis(at, first, length, halo, SIDE: tl.constexpr):
    """Mark places along one side of a tile by 1.0, else 0.0.

    First those inside the margin; then those with a gradient: they and the next are in the picture.
    """
    place = first + at - halo
    inside = (place >= 0) & (place < length)
    own = inside & (at >= halo) & (at < SIDE - halo)
    # The duals left of and above the picture, and in its last column and row, stay zero.
    goes = inside & (place < length - 1)
    return tl.where(own, 1.0, 0.0), tl.where(goes, 1.0, 0.0)


@triton.jit
def _read(plane, places, inside, ROWS: tl.constexpr):
    """Load a thread's pixels: the even and the odd column of each row."""
    values = ()
    for r in tl.static_range(ROWS):
        row = tl.load(plane + places[r], inside[r], 0.0)
        values = values + (tl.split(tl.reshape(row, (row.shape[0], LANES, 2))),)
    return values


@triton.jit
def _row(columns):
    """Join even and odd columns to a row."""
    row = tl.join(columns[0], columns[1])
    return tl.reshape(row, (row.shape[0], 2 * LANES))


@triton.jit
def _primal_row(
    u1, u2, p11, p12, p21, p22, above1, above2, ix, iy, rho, inverse, before, limit, theta
):
    """Return the new flow of a row's two columns, and its squared change."""
    left1, left2 = tl.gather(p11[1], before, 1), tl.gather(p21[1], before, 1)
    div1, div2 = (p11[0] - left1) + (p12[0] - above1[0]), (p21[0] - left2) + (p22[0] - above2[0])
    a, c, moved0 = _primal(u1[0], u2[0], ix[0], iy[0], rho[0], inverse[0], div1, div2, limit, theta)
    div1 = (p11[1] - p11[0]) + (p12[1] - above1[1])
    div2 = (p21[1] - p21[0]) + (p22[1] - above2[1])
    b, d, moved1 = _primal(u1[1], u2[1], ix[1], iy[1], rho[1], inverse[1], div1, div2, limit, theta)
    return (a, b), (c, d), moved0, moved1


@triton.jit
def _primal(u1, u2, ix, iy, rho, inverse, div1, div2, limit, theta):
    residual = (rho + ix * u1) + iy * u2
    move = tl.minimum(tl.maximum(-residual * inverse, -limit), limit)
    new1, new2 = (u1 + move * ix) + theta * div1, (u2 + move * iy) + theta * div2
    d1, d2 = new1 - u1, new2 - u2
    return new1, new2, d1 * d1 + d2 * d2


@triton.jit
def _dual_row(u1, u2, below1, below2, p11, p12, p21, p22, goes0, goes1, goes_y, after, rate):
    """Return the new duals of a row's two columns."""
    a11, a12 = _dual(p11[0], p12[0], (u1[1] - u1[0]) * goes0, (below1[0] - u1[0]) * goes_y, rate)
    a21, a22 = _dual(p21[0], p22[0], (u2[1] - u2[0]) * goes0, (below2[0] - u2[0]) * goes_y, rate)
    right1, right2 = tl.gather(u1[0], after, 1), tl.gather(u2[0], after, 1)
    b11, b12 = _dual(p11[1], p12[1], (right1 - u1[1]) * goes1, (below1[1] - u1[1]) * goes_y, rate)
    b21, b22 = _dual(p21[1], p22[1], (right2 - u2[1]) * goes1, (below2[1] - u2[1]) * goes_y, rate)
    return (a11, b11), (a12, b12), (a21, b21), (a22, b22)


@triton.jit
def _dual(px, py, x, y, rate):
    # A reciprocal by a root, because a division takes seven instructions.
    root = tl.rsqrt(1.0 + rate * tl.sqrt(x * x + y * y))
    scale = root * root
    return (px + rate * x) * scale, (py + rate * y) * scale


# Strips exchange rows through shared memory, four planes at once, which costs two barriers; a
# thread gets its four values, and no other value moves.


@triton.jit
def _four(places, SIZE: tl.constexpr):
    """Places in four planes of SIZE, those of a thread side by side: `[4 * SIZE]`."""
    low = tl.join(places, places + SIZE)
    return tl.reshape(tl.join(low, low + 2 * SIZE), (4 * SIZE,))


@triton.jit
def _beyond(a, b, places, STRIPS: tl.constexpr):
    """Return two rows of the strip before or after each strip."""
    planes = tl.trans(tl.join(tl.join(a[0], a[1]), tl.join(b[0], b[1])), 3, 2, 0, 1)
    found = tl.gather(tl.reshape(planes, (4 * STRIPS * LANES,)), places, 0)
    a, b = tl.split(tl.reshape(found, (STRIPS, LANES, 2, 2)))
    return tl.split(a), tl.split(b)


@triton.jit(do_not_specialize=["parts", "halo", "steps", "begun"])
def judge(
    change,
    order,
    going,
    again,
    turn,
    smoothed,
    count,
    parts,
    halo,
    steps,
    begun,
    enough,
    CUDA: tl.constexpr,
    PARTS: tl.constexpr,
):
    """Decide after `iterate` whether a pair goes on from the new state or has ended, and when.

    A pair that ended before the last of these iterations returns to the state before them and
    repeats as many as it needed: its flow is exactly that of a test after each iteration. A change
    has `parts`, one of every strip of every tile. `begun` iterations came before (only whether
    that is even or odd matters, in OpenCV's CUDA semantics).
    """
    pair = tl.load(order + tl.program_id(0))
    if pair < 0:
        return
    if tl.load(going + pair) == 0:
        return
    over = tl.load(again + pair)
    part = tl.arange(0, PARTS)
    left = tl.load(count + pair)
    end = 0  # the iteration, from 1, after which the pair ends
    step = 0
    while step < steps:
        first = change + (pair * halo + step) * parts
        total = tl.sum(tl.load(first + part, part < parts, 0.0), 0)
        small = total <= enough
        if CUDA:
            look = ((begun + step) % 2 == 1) & (left < enough) & (enough > 0)
            small = small & look
            left = tl.where(look, tl.cast(total, tl.float64), left - enough)
        step += 1
        end = tl.where((end == 0) & small, step, end)
    ended = (over > 0) | (end == steps)
    kept = ended | (end == 0)
    now = tl.load(turn + pair)
    tl.store(going + pair, tl.where(ended, 0, 1))
    tl.store(again + pair, tl.where(kept, 0, end))
    tl.store(turn + pair, tl.where(kept, 1 - now, now))
    tl.store(smoothed + pair, tl.where(kept, 0, tl.load(smoothed + pair)))
    tl.store(count + pair, left)


@triton.jit(do_not_specialize=["pairs"])
def muster(going, order, left, pairs, PAIRS: tl.constexpr):
    """Write to `order` `[pairs]` the pairs that go on, then -1; to `left` `[1]` their number."""
    pair = tl.arange(0, PAIRS)
    on = tl.where(tl.load(going + pair, pair < pairs, 0) > 0, 1, 0)
    before = tl.cumsum(on, 0) - on
    total = tl.sum(on, 0)
    place = tl.where(on > 0, before, total + pair - before)
    tl.store(order + place, tl.where(on > 0, pair, -1), pair < pairs)
    tl.store(left, total)


@triton.jit
def row_pitch(width):
    """Return the distance of rows in a plane: the width made even, as the compiler sees."""
    return (width + 1) // 2 * 2


@triton.jit
def clamp(k, length):
    return tl.minimum(tl.maximum(k, 0), length - 1)


def tiles(height: int, width: int) -> int:
    """Return how many tiles of 2x4 pixels cover a picture; a program computes `BLOCK` of them."""
    return -(-height // 4) * -(-width // 2)


# The median filter, eight neighbouring medians at a time. The time goes into minima and maxima. The
# 5x5 windows of 2x2 pixels lie in a patch of 6x6 values and share most of the sorting:
#
# - The inner 4x4 values lie in all four windows. Sorted, their three least and three greatest are
#   never the median: with 9 more values, at most 12 of a window can lie on either side of it.
# - The four inner values of the row above (below) join for the two upper (lower) pixels. The middle
#   six remain, as 5 more are to come.
# - A pixel's own column of five joins last: the middle one of these 11 is the median.
#
# 3x3 windows work alike, with a core of 2x2 in a patch of 4x4. Two such patches, the second two
# rows below the first, share their sorted rows. A half of an exchange that nothing reads costs
# nothing: the compiler removes it.


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
