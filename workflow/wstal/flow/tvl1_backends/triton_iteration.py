"""The Triton kernels of TV-L1's iteration; what they compute is told by `tvl1_torch.py`.

Fields lie in planes `[plane, pair, height * pitch]`, where `pitch` is the width made even, so that
two columns are read at once; what is right of the picture is finite and counts for nothing. A
pair's state exists twice, so that no program reads what another writes: `turn[pair]` says which of
the two is current. What becomes of a pair stands in four int32 arrays more: `going` (0: it has
ended at this warp), `again` (how many of the last iterations it must do over: see `judge`),
`smoothed` (1: its flow, but not its duals, is to be read from the median filter's output), and
`count`, float64, of OpenCV's CUDA semantics. Launches are for the pairs in `order`, int32: those
that go on, then -1 (`muster`).
"""

import triton
import triton.language as tl

U1, U2, P11, P12, P21, P22 = (tl.constexpr(k) for k in range(6))  # planes of the state
IX, IY, RHO, INVERSE = (tl.constexpr(k) for k in range(4))  # planes of the linearised image term
STATE = tl.constexpr(6)
LANES = tl.constexpr(32)  # threads of a warp


@triton.jit(do_not_specialize=["pairs", "height", "width", "across", "margin", "steps"])
def iterate(
    state, smooth, terms, change, order, going, again, turn, smoothed,
    pairs, height, width, across, margin, steps, limit, theta, rate,
    STRIPS: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    """Up to `2 * margin` iterations of one tile of one pair, and each one's squared change.

    A tile holds as many pixels more on every side than it answers for: each iteration is right
    one pixel less far to each side than the one before. It is cut into strips of ROWS rows, a
    warp each; a thread has two neighbouring columns of its strip in registers. So a neighbour
    above or below is in the same thread but for a strip's first and last row, one to the left or
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
    # Both are even, as the compiler sees: two columns are one access.
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
    # Called contiguous, that lanes lie as everywhere and no value need move.
    part = tl.max_contiguous(strip + lane // LANES, (1, LANES))
    change += (pair * halo * tl.num_programs(0) + tile) * STRIPS
    # What strips exchange is asked for as soon as it is there, and used as late as possible.
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
                u1[r], u2[r], p11[r], p12[r], p21[r], p22[r], above1, above2,
                ix[r], iy[r], rho[r], inverse[r], before, limit, theta,
            )  # fmt: skip
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
            u1[LAST], u2[LAST], below1, below2, p11[LAST], p12[LAST], p21[LAST], p22[LAST],
            goes0, goes1, goes_y[LAST], after, rate,
        )  # fmt: skip
        above1, above2 = _beyond(b, d, above, STRIPS)
        new11, new12, new21, new22 = (), (), (), ()
        for r in tl.static_range(LAST):
            e, f, g, h = _dual_row(
                u1[r], u2[r], u1[r + 1], u2[r + 1], p11[r], p12[r], p21[r], p22[r],
                goes0, goes1, goes_y[r], after, rate,
            )  # fmt: skip
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
def row_pitch(width):
    """How far apart the rows of a plane are: the width made even, which the compiler sees."""
    return (width + 1) // 2 * 2


@triton.jit
def _axis(at, first, length, halo, SIDE: tl.constexpr):
    """Of places along one side of a tile: 1.0 where the tile answers for them, else 0.0; 1.0 where
    a gradient is taken, that is, where they and the next are in the picture, else 0.0."""
    place = first + at - halo
    inside = (place >= 0) & (place < length)
    own = inside & (at >= halo) & (at < SIDE - halo)
    # So the duals left of and above the picture, and in its last column and row, stay zero.
    goes = inside & (place < length - 1)
    return tl.where(own, 1.0, 0.0), tl.where(goes, 1.0, 0.0)


@triton.jit
def _read(plane, places, inside, ROWS: tl.constexpr):
    """A thread's pixels: of each row its even column and its odd one."""
    values = ()
    for r in tl.static_range(ROWS):
        row = tl.load(plane + places[r], inside[r], 0.0)
        values = values + (tl.split(tl.reshape(row, (row.shape[0], LANES, 2))),)
    return values


@triton.jit
def _row(columns):
    """Even and odd columns as a row."""
    row = tl.join(columns[0], columns[1])
    return tl.reshape(row, (row.shape[0], 2 * LANES))


@triton.jit
def _primal_row(
    u1, u2, p11, p12, p21, p22, above1, above2, ix, iy, rho, inverse, before, limit, theta
):
    """The new flow of a row, its two columns side by side, and how much it changed, squared."""
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
    """The new duals of a row, its two columns side by side."""
    a11, a12 = _dual(p11[0], p12[0], (u1[1] - u1[0]) * goes0, (below1[0] - u1[0]) * goes_y, rate)
    a21, a22 = _dual(p21[0], p22[0], (u2[1] - u2[0]) * goes0, (below2[0] - u2[0]) * goes_y, rate)
    right1, right2 = tl.gather(u1[0], after, 1), tl.gather(u2[0], after, 1)
    b11, b12 = _dual(p11[1], p12[1], (right1 - u1[1]) * goes1, (below1[1] - u1[1]) * goes_y, rate)
    b21, b22 = _dual(p21[1], p22[1], (right2 - u2[1]) * goes1, (below2[1] - u2[1]) * goes_y, rate)
    return (a11, b11), (a12, b12), (a21, b21), (a22, b22)


@triton.jit
def _dual(px, py, x, y, rate):
    # A reciprocal by a root: a division is seven instructions.
    root = tl.rsqrt(1.0 + rate * tl.sqrt(x * x + y * y))
    scale = root * root
    return (px + rate * x) * scale, (py + rate * y) * scale


# Rows go from strip to strip through shared memory, four planes in one exchange, so that it costs
# two barriers; a thread gets its four values, and no other value moves.


@triton.jit
def _four(places, SIZE: tl.constexpr):
    """Places in four planes of SIZE, those of a thread side by side: `[4 * SIZE]`."""
    low = tl.join(places, places + SIZE)
    return tl.reshape(tl.join(low, low + 2 * SIZE), (4 * SIZE,))


@triton.jit
def _beyond(a, b, places, STRIPS: tl.constexpr):
    """Of two rows of each strip those of the strip before or after it."""
    planes = tl.trans(tl.join(tl.join(a[0], a[1]), tl.join(b[0], b[1])), 3, 2, 0, 1)
    found = tl.gather(tl.reshape(planes, (4 * STRIPS * LANES,)), places, 0)
    a, b = tl.split(tl.reshape(found, (STRIPS, LANES, 2, 2)))
    return tl.split(a), tl.split(b)


@triton.jit(do_not_specialize=["parts", "halo", "steps", "begun"])
def judge(
    change, order, going, again, turn, smoothed, count, parts, halo, steps, begun, enough,
    CUDA: tl.constexpr, PARTS: tl.constexpr,
):  # fmt: skip
    """After `iterate`: whether a pair goes on from the new state, or has ended, and when.

    Ending before the last of the iterations done, it goes back to the state before them and
    does as many as it needed over: its flow is exactly that of a test after each iteration.
    A change comes in `parts`, one of every strip of every tile. `begun` iterations (an even
    number counts as none) came before, in OpenCV's CUDA semantics.
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
    """`order` `[pairs]`: the pairs that go on, then -1; `left` `[1]`: how many they are."""
    pair = tl.arange(0, PAIRS)
    on = tl.where(tl.load(going + pair, pair < pairs, 0) > 0, 1, 0)
    before = tl.cumsum(on, 0) - on
    total = tl.sum(on, 0)
    place = tl.where(on > 0, before, total + pair - before)
    tl.store(order + place, tl.where(on > 0, pair, -1), pair < pairs)
    tl.store(left, total)
