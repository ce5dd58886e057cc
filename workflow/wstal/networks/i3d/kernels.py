"""The Triton kernels behind `cuda.py`, in its order: first convolution, max pooling, joining."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit(
    do_not_specialize=[
        "frames",
        "height",
        "width",
        "slots",
        "padded_height",
        "before_t",
        "before_h",
        "before_w",
    ]
)
def pack_pictures(
    pictures,
    out,
    frames,
    height,
    width,
    slots,
    padded_height,
    values,
    before_t,
    before_h,
    before_w,
    CHANNELS: tl.constexpr,
    FOLD: tl.constexpr,
    UNSIGNED: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Write a row of `values` numbers of `out` `[B, slots, padded_height, W', 4]` a program (0).

    A pixel has the channels of `FOLD` frames, zeros between them and around the picture.
    """
    row = tl.program_id(0)
    h = row % padded_height - before_h
    first = row // padded_height % slots * FOLD - before_t
    snippet = row // (padded_height * slots)
    at = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    w, part = at // 4 - before_w, at % 4
    later, channel = part // (4 // FOLD), part % (4 // FOLD)
    inside = (h >= 0) & (h < height) & (w >= 0) & (w < width) & (channel < CHANNELS)
    inside &= (first + later >= 0) & (first + later < frames)
    line = tl.cast((snippet * frames + first) * height + h, tl.int64) * (width * CHANNELS)
    place = line + (later * (height * width) + w) * CHANNELS + channel
    value = tl.load(pictures + place, inside, 0).to(tl.int32)
    if UNSIGNED:
        value = tl.where(inside, 2 * value - 255, 0)
    target = out + tl.cast(row, tl.int64) * values + at
    tl.store(target, value.to(tl.float32).to(tl.float16), at < values)


@triton.jit(do_not_specialize=["rows", "out_frames", "out_height", "out_width", "groups", "slots"])
def stem(
    x,
    weights,
    factor,
    out,
    rows,
    out_frames,
    out_height,
    out_width,
    groups,
    slots,
    plane,
    line,
    outputs,
    STEP: tl.constexpr,
    STEPS: tl.constexpr,
    PARTS: tl.constexpr,
    OUT_FRAMES: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
):
    """Write `BLOCK_M` pixels of `out` `[B, out_frames, out_height, out_width, outputs]` a program.

    A step takes `BLOCK_K / 32` lines of the windows, 8 pixels of 4 channels each, from `x`
    `[B, slots, plane / line, line]`; `weights` `[PARTS, OUT_FRAMES * BLOCK_N, STEPS * BLOCK_K]`.
    """
    m = tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)
    pixel = tl.minimum(m, rows - 1)
    w, h = pixel % out_width, pixel // out_width % out_height
    group = pixel // (out_width * out_height)
    snippet, group = group // groups, group % groups
    slot = tl.cast(snippet * slots + group * (OUT_FRAMES * STEP), tl.int64)
    corner = x + (slot * plane + (h * 2 * line + w * 8))
    k = tl.arange(0, BLOCK_K)
    n = tl.arange(0, OUT_FRAMES * BLOCK_N)
    taps = weights + n[None, :] * (STEPS * BLOCK_K) + k[:, None]
    total = tl.zeros([BLOCK_M, OUT_FRAMES * BLOCK_N], tl.float32)
    for i in range(STEPS):
        chunk = i * (BLOCK_K // 32) + k // 32
        window = chunk // 7 * plane + chunk % 7 * line + k % 32
        a = tl.load(corner[:, None] + window[None, :])
        high = tl.load(taps + i * BLOCK_K)
        if PARTS == 1:
            total = tl.dot(a, high, total)
        else:
            # Matrix units truncate their sums: keep those short and add them up outside.
            low = tl.load(taps + (i * BLOCK_K + OUT_FRAMES * BLOCK_N * STEPS * BLOCK_K))
            short = tl.dot(a, low)
            total += tl.dot(a, high, short)
    channel, frame = n % BLOCK_N, group[:, None] * OUT_FRAMES + (n // BLOCK_N)[None, :]
    total *= tl.load(factor + channel)[None, :]
    place = tl.cast(snippet[:, None] * out_frames + frame, tl.int64) * (out_height * out_width)
    place = (place + (h * out_width + w)[:, None]) * outputs + channel[None, :]
    mask = (m < rows)[:, None] & (channel < outputs)[None, :] & (frame < out_frames)
    tl.store(out + place, total.to(out.dtype.element_ty), mask)


@triton.jit(
    do_not_specialize=[
        "frames",
        "height",
        "width",
        "out_frames",
        "out_height",
        "out_width",
        "before_t",
        "before_h",
        "before_w",
    ]
)
def max_pool(
    x,
    bias,
    out,
    frames,
    height,
    width,
    channels,
    out_frames,
    out_height,
    out_width,
    before_t,
    before_h,
    before_w,
    KT: tl.constexpr,
    KH: tl.constexpr,
    KW: tl.constexpr,
    ST: tl.constexpr,
    SH: tl.constexpr,
    SW: tl.constexpr,
    RECTIFY: tl.constexpr,
    BIAS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Pool `x` `[B, T, H, W, C]`: a row of `out` `[B, T', H', W', C]` a program (0)."""
    row = tl.program_id(0)
    h0 = (row % out_height) * SH - before_h
    t0 = (row // out_height % out_frames) * ST - before_t
    snippet = row // (out_height * out_frames)
    at = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = at < out_width * channels
    # Where channels come by sixteens, a load takes 16 bytes.
    w0, channel = at // channels * SW - before_w, at % channels
    best = tl.full([BLOCK], float("-inf"), x.dtype.element_ty)
    for i in tl.static_range(KT):
        for j in tl.static_range(KH):
            t, h = t0 + i, h0 + j
            there = inside & (t >= 0) & (t < frames) & (h >= 0) & (h < height)
            line = tl.cast((snippet * frames + t) * height + h, tl.int64) * (width * channels)
            for k in tl.static_range(KW):
                w = w0 + k
                mask = there & (w >= 0) & (w < width)
                value = tl.load(x + line + (w * channels + channel), mask, float("-inf"))
                best = tl.maximum(best, value, propagate_nan=tl.PropagateNan.ALL)
    if BIAS:
        added = best.to(tl.float32) + tl.load(bias + channel, inside, 0.0).to(tl.float32)
        best = added.to(best.dtype)
    if RECTIFY:
        best = tl.maximum(best, tl.zeros_like(best), propagate_nan=tl.PropagateNan.ALL)
    tl.store(out + tl.cast(row, tl.int64) * (out_width * channels) + at, best, inside)


@triton.jit(do_not_specialize=["pixels", "octets", "first", "total"])
def join(
    x,
    bias,
    out,
    pixels,
    octets,
    first,
    total,
    BIAS: tl.constexpr,
    BLOCK_P: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    """Write `x` `[pixels, 8 * octets]` into `out` `[pixels, 8 * total]` from channel `8 * first`.

    Channels are counted by eights, so that the compiler knows that 16 bytes can be moved at once.
    """
    pixel = tl.program_id(0) * BLOCK_P + tl.arange(0, BLOCK_P)
    channel = tl.arange(0, BLOCK_C)
    inside = (pixel < pixels)[:, None] & (channel < octets * 8)[None, :]
    row = tl.cast(pixel, tl.int64)[:, None]
    value = tl.load(x + row * (octets * 8) + channel[None, :], inside, 0.0)
    if BIAS:
        shift = tl.load(bias + channel, channel < octets * 8, 0.0).to(tl.float32)
        value = (value.to(tl.float32) + shift[None, :]).to(value.dtype)
    value = tl.maximum(value, tl.zeros_like(value), propagate_nan=tl.PropagateNan.ALL)
    tl.store(out + row * (total * 8) + (first * 8 + channel[None, :]), value, inside)
