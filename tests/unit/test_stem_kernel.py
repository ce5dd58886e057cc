"""The kernel packs pictures as the convolution reads them, and both compile for a GPU."""

import pytest
import torch
from triton_device import DEVICE, MARKS, check_compiled

pytest.importorskip("triton")

from wstal.nets.stem_kernel import pack_pictures

pytestmark = MARKS
FRAMES, HEIGHT, WIDTH = 3, 5, 7
SLOTS, PADDED_HEIGHT, PADDED_WIDTH = 6, 9, 12
BEFORE = (1, 2, 3)


def packed(pictures, fold):
    out = torch.full((2, SLOTS, PADDED_HEIGHT, PADDED_WIDTH, 4), 99.0).half().to(DEVICE)
    values = 4 * PADDED_WIDTH
    pack_pictures[(2 * SLOTS * PADDED_HEIGHT, -(-values // 32))](
        pictures.to(DEVICE), out, FRAMES, HEIGHT, WIDTH, SLOTS, PADDED_HEIGHT, values, *BEFORE,
        CHANNELS=pictures.shape[-1], FOLD=fold, UNSIGNED=pictures.dtype == torch.uint8, BLOCK=32,
    )  # fmt: skip
    return out.cpu()


def placed(x, slots):
    """`x [2, T, H, W, C]` where it lies in zeros `[2, slots, ..., C]`."""
    t, h, w = BEFORE
    out = torch.zeros(2, slots, PADDED_HEIGHT, PADDED_WIDTH, x.shape[-1])
    out[:, t : t + FRAMES, h : h + HEIGHT, w : w + WIDTH] = x
    return out


def test_colours_become_odd_numbers_around_zero():
    pictures = torch.arange(2 * FRAMES * HEIGHT * WIDTH * 3).to(torch.uint8)
    pictures = pictures.view(2, FRAMES, HEIGHT, WIDTH, 3)
    found = packed(pictures, 1)
    assert torch.equal(found[..., :3], placed(2 * pictures.half() - 255, SLOTS).half())
    assert (found[..., 3] == 0).all()


def test_flow_comes_by_pairs_of_frames():
    codes = (torch.arange(2 * FRAMES * HEIGHT * WIDTH * 2) % 255 - 127).to(torch.int8)
    codes = codes.view(2, FRAMES, HEIGHT, WIDTH, 2)
    frames = placed(codes.half(), 2 * SLOTS).half()
    pairs = frames.unflatten(1, (SLOTS, 2)).permute(0, 1, 3, 4, 2, 5).flatten(4)
    assert torch.equal(packed(codes, 2), pairs)


COMPILES = """
import triton
from triton.backends.compiler import GPUTarget
from wstal.nets.stem_kernel import pack_pictures, stem
from wstal.nets.window_stem import EXACT_CUT, HALF_CUT

def compiled(kernel, types, whole, options, **constants):
    names = kernel.arg_names
    signature = {n: types.get(n, "constexpr" if n in constants else "i32") for n in names}
    values = {(names.index(name),): value for name, value in constants.items()}
    aligned = {(names.index(name),): [["tt.divisibility", 16]] for name in (*types, *whole)}
    source = triton.compiler.ASTSource(kernel, signature, values, aligned)
    return triton.compile(source, target=GPUTarget("cuda", 90, 32), options=options).asm["ptx"]

compiled(
    pack_pictures, {"pictures": "*u8", "out": "*fp16"}, ("values",), {},
    CHANNELS=3, FOLD=1, UNSIGNED=True, BLOCK=1024,
)
for out, parts, cut, steps in (("*fp16", 1, HALF_CUT, 32), ("*fp32", 2, EXACT_CUT, 49)):
    types = {"x": "*fp16", "weights": "*fp16", "factor": "*fp32", "out": out}
    code = compiled(
        stem, types, ("plane", "line", "outputs"),
        {"num_warps": cut.warps, "num_stages": cut.stages},
        STEP=2, STEPS=steps, PARTS=parts, OUT_FRAMES=cut.frames, BLOCK_M=cut.pixels, BLOCK_N=64,
        BLOCK_K=cut.depth,
    )
    assert f"wgmma.mma_async.sync.aligned.m64n{64 * cut.frames}k16.f32.f16.f16" in code
    assert "cp.async.cg.shared.global" in code
"""


@pytest.mark.skipif(DEVICE == "cuda", reason="the other tests compile them there")
def test_the_kernels_compile_for_a_gpu_to_its_matrix_units(tmp_path):
    """The interpreter accepts what the compiler refuses."""
    check_compiled(COMPILES, tmp_path)
