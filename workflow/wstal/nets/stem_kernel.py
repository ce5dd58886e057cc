"""Triton kernels of Inception-I3D's first convolution; what they compute: see `window_stem`."""

import triton
import triton.language as tl


@triton.jit(
    do_not_specialize=[
        "frames", "height", "width", "slots", "padded_height", "before_t", "before_h", "before_w",
    ]
)  # fmt: skip
def pack_pictures(
    pictures, out, frames, height, width, slots, padded_height, values,
    before_t, before_h, before_w,
    CHANNELS: tl.constexpr, FOLD: tl.constexpr, UNSIGNED: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """A row of `values` numbers of `out` `[B, slots, padded_height, W', 4]` per first program.

    A pixel of it has the channels of `FOLD` frames, zeros between them and around the picture.
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
    x, weights, factor, out, rows, out_frames, out_height, out_width, groups, slots, plane, line,
    outputs, STEP: tl.constexpr, STEPS: tl.constexpr, PARTS: tl.constexpr,
    OUT_FRAMES: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    """`BLOCK_M` pixels of `out` `[B, out_frames, out_height, out_width, outputs]` per program.

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
            # Matrix units cut their sums' last bits off: short sums, added up outside of them.
            low = tl.load(taps + (i * BLOCK_K + OUT_FRAMES * BLOCK_N * STEPS * BLOCK_K))
            short = tl.dot(a, low)
            total += tl.dot(a, high, short)
    channel, frame = n % BLOCK_N, group[:, None] * OUT_FRAMES + (n // BLOCK_N)[None, :]
    total *= tl.load(factor + channel)[None, :]
    place = tl.cast(snippet[:, None] * out_frames + frame, tl.int64) * (out_height * out_width)
    place = (place + (h * out_width + w)[:, None]) * outputs + channel[None, :]
    mask = (m < rows)[:, None] & (channel < outputs)[None, :] & (frame < out_frames)
    tl.store(out + place, total.to(out.dtype.element_ty), mask)
