"""The Triton kernels of TV-L1's iteration; what they compute is told by `tvl1_torch.py`.

Fields lie in planes `[plane, pair, height * width]`. A pair's state exists twice, so that no
program reads what another writes: `turn[pair]` says which of the two is current. What becomes of
a pair stands in four int32 arrays more: `going` (0: it has ended at this warp), `again` (how many
of the last iterations it must do over: see `judge`), `smoothed` (1: its flow, but not its duals,
is to be read from the median filter's output), and `count`, float64, of OpenCV's CUDA semantics.
"""

import triton
import triton.language as tl

U1, U2, P11, P12, P21, P22 = (tl.constexpr(k) for k in range(6))  # planes of the state
IX, IY, RHO, INVERSE = (tl.constexpr(k) for k in range(4))  # planes of the linearised image term
STATE = tl.constexpr(6)


@triton.jit(do_not_specialize=["pairs", "height", "width", "across", "halo", "steps"])
def iterate(
    state, smooth, terms, change, going, again, turn, smoothed,
    pairs, height, width, across, halo, steps, limit, theta, rate,
    TILE_Y: tl.constexpr, TILE_X: tl.constexpr,
):  # fmt: skip
    """Up to `halo` iterations of one tile of one pair, and each one's squared change.

    A tile holds `halo` pixels more on every side than it answers for: each iteration is right
    one pixel less far to each side than the one before. Neighbours are exchanged through shared
    memory (`gather`), all else stays in registers.
    """
    tile, pair = tl.program_id(0), tl.program_id(1)
    if tl.load(going + pair) == 0:
        return
    over = tl.load(again + pair)
    steps = tl.where(over > 0, over, steps)
    SIZE: tl.constexpr = TILE_Y * TILE_X
    i = tl.arange(0, SIZE)
    tile_y, tile_x = i // TILE_X, i % TILE_X
    y = (tile // across) * (TILE_Y - 2 * halo) - halo + tile_y
    x = (tile % across) * (TILE_X - 2 * halo) - halo + tile_x
    inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    own = inside & (tile_y >= halo) & (tile_y < TILE_Y - halo)
    own = own & (tile_x >= halo) & (tile_x < TILE_X - halo)

    at = y * width + x
    pixels = height * width
    plane = tl.cast(pairs, tl.int64) * pixels
    first = tl.cast(pair, tl.int64) * pixels
    now = tl.load(turn + pair)
    source = state + (now * STATE * plane + first)
    flow = source
    if tl.load(smoothed + pair) != 0:
        flow = smooth + first
    u1 = tl.load(flow + U1 * plane + at, inside, 0.0)
    u2 = tl.load(flow + U2 * plane + at, inside, 0.0)
    p11 = tl.load(source + P11 * plane + at, inside, 0.0)
    p12 = tl.load(source + P12 * plane + at, inside, 0.0)
    p21 = tl.load(source + P21 * plane + at, inside, 0.0)
    p22 = tl.load(source + P22 * plane + at, inside, 0.0)
    terms += first
    ix = tl.load(terms + IX * plane + at, inside, 0.0)
    iy = tl.load(terms + IY * plane + at, inside, 0.0)
    rho = tl.load(terms + RHO * plane + at, inside, 0.0)
    inverse = tl.load(terms + INVERSE * plane + at, inside, 0.0)

    # A pixel without a neighbour to the right or below in the image is its own: its gradient is
    # zero, and so the duals of all pixels outside stay zero.
    left, up = tl.maximum(i - 1, 0), tl.maximum(i - TILE_X, 0)
    right = tl.where(inside & (x < width - 1), tl.minimum(i + 1, SIZE - 1), i)
    below = tl.where(inside & (y < height - 1), tl.minimum(i + TILE_X, SIZE - 1), i)
    before = _four(left, left + SIZE, up + 2 * SIZE, up + 3 * SIZE)
    after = _four(right, right + SIZE, below, below + SIZE)
    change += pair * halo * tl.num_programs(0) + tile
    step = 0
    while step < steps:
        residual = (rho + ix * u1) + iy * u2
        move = tl.minimum(tl.maximum(-residual * inverse, -limit), limit)
        left1, left2, up1, up2 = _before(p11, p12, p21, p22, before, SIZE)
        div1, div2 = (p11 - left1) + (p12 - up1), (p21 - left2) + (p22 - up2)
        new1 = (u1 + move * ix) + theta * div1
        new2 = (u2 + move * iy) + theta * div2
        d1, d2 = new1 - u1, new2 - u2
        squared = tl.sum(tl.where(own, d1 * d1 + d2 * d2, 0.0), 0)
        tl.store(change + step * tl.num_programs(0), squared)
        u1, u2 = new1, new2
        right1, right2, below1, below2 = _after(u1, u2, after, SIZE)
        x1, y1, x2, y2 = right1 - u1, below1 - u1, right2 - u2, below2 - u2
        over1 = 1.0 + rate * tl.sqrt(x1 * x1 + y1 * y1)
        over2 = 1.0 + rate * tl.sqrt(x2 * x2 + y2 * y2)
        # One reciprocal for both, by a root: a division is seven instructions.
        root = tl.rsqrt(over1 * over2)
        both = root * root
        scale1, scale2 = both * over2, both * over1
        p11, p12 = (p11 + rate * x1) * scale1, (p12 + rate * y1) * scale1
        p21, p22 = (p21 + rate * x2) * scale2, (p22 + rate * y2) * scale2
        step += 1

    target = state + ((1 - now) * STATE * plane + first)
    tl.store(target + U1 * plane + at, u1, own)
    tl.store(target + U2 * plane + at, u2, own)
    tl.store(target + P11 * plane + at, p11, own)
    tl.store(target + P12 * plane + at, p12, own)
    tl.store(target + P21 * plane + at, p21, own)
    tl.store(target + P22 * plane + at, p22, own)


# A plane of the tile is a vector of SIZE pixels. Each exchange writes several planes to shared
# memory, one after the other, and reads four values per pixel, so that it costs two barriers; a
# thread has all four of its pixels' values, and no other value moves.


@triton.jit
def _four(a, b, c, d):
    """Four vectors as one `[4 * SIZE]`, those of a pixel side by side."""
    return tl.reshape(tl.join(tl.join(a, b), tl.join(c, d)), (4 * a.shape[0],))


@triton.jit
def _four_apart(values, SIZE: tl.constexpr):
    one, two = tl.split(tl.reshape(values, (SIZE, 2, 2)))
    a, b = tl.split(one)
    c, d = tl.split(two)
    return a, b, c, d


@triton.jit
def _before(p11, p12, p21, p22, places, SIZE: tl.constexpr):
    """p11 and p21 of the left neighbour, p12 and p22 of the upper one; planes lie in this order."""
    planes = tl.trans(tl.join(tl.join(p11, p12), tl.join(p21, p22)), 1, 2, 0)
    return _four_apart(tl.gather(tl.reshape(planes, (4 * SIZE,)), places, 0), SIZE)


@triton.jit
def _after(u1, u2, places, SIZE: tl.constexpr):
    """u1 and u2 of the right neighbour, u1 and u2 of the lower one."""
    planes = tl.trans(tl.join(u1, u2), 1, 0)
    return _four_apart(tl.gather(tl.reshape(planes, (2 * SIZE,)), places, 0), SIZE)


@triton.jit(do_not_specialize=["tiles", "halo", "steps", "begun"])
def judge(
    change, going, again, turn, smoothed, count, tiles, halo, steps, begun, enough,
    CUDA: tl.constexpr, TILES: tl.constexpr,
):  # fmt: skip
    """After `iterate`: whether a pair goes on from the new state, or has ended, and when.

    Ending before the last of the iterations done, it goes back to the state before them and
    does as many as it needed over: its flow is exactly that of a test after each iteration.
    `begun` iterations (an even number counts as none) came before, in OpenCV's CUDA semantics.
    """
    pair = tl.program_id(0)
    if tl.load(going + pair) == 0:
        return
    over = tl.load(again + pair)
    tile = tl.arange(0, TILES)
    left = tl.load(count + pair)
    end = 0  # the iteration, from 1, after which the pair ends
    step = 0
    while step < steps:
        part = tl.load(change + (pair * halo + step) * tiles + tile, tile < tiles, 0.0)
        total = tl.sum(part, 0)
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
