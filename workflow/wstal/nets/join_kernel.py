"""The Triton kernel that joins branches; what it computes is told by `branch_join`."""

import triton
import triton.language as tl


@triton.jit(do_not_specialize=["pixels", "octets", "first", "total"])
def join(
    x, bias, out, pixels, octets, first, total,
    BIAS: tl.constexpr, BLOCK_P: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """`x` `[pixels, 8 * octets]` into `out` `[pixels, 8 * total]` from channel `8 * first` on.

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
