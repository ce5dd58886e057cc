"""The Triton kernel of max pooling; what it computes is told by `window_pool`."""

import triton
import triton.language as tl


@triton.jit(
    do_not_specialize=[
        "frames", "height", "width", "out_frames", "out_height", "out_width",
        "before_t", "before_h", "before_w",
    ]
)  # fmt: skip
def max_pool(
    x, bias, out, frames, height, width, channels, out_frames, out_height, out_width,
    before_t, before_h, before_w,
    KT: tl.constexpr, KH: tl.constexpr, KW: tl.constexpr,
    ST: tl.constexpr, SH: tl.constexpr, SW: tl.constexpr,
    RECTIFY: tl.constexpr, BIAS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Windows of `x` `[B, T, H, W, C]`, a row of `out` `[B, T', H', W', C]` per first program."""
    row = tl.program_id(0)
    h0 = (row % out_height) * SH - before_h
    t0 = (row // out_height % out_frames) * ST - before_t
    snippet = row // (out_height * out_frames)
    at = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = at < out_width * channels
    # Channels come by sixteens where there are as many: a load then takes 16 bytes.
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
