"""I3D's three kernels equal torch's operations, compile for a GPU, and are used only if they work.

First the convolution of stored pictures, then max pooling, then joining branches.
"""

from __future__ import annotations

import pytest

pytest.importorskip("triton")

import torch
from triton_device import DEVICE, MARKS, check_compiled
from wstal.features.snippets import scaled
from wstal.networks.i3d import cuda
from wstal.networks.i3d.cpu import axis_max_pool
from wstal.networks.i3d.cuda import (
    EXACT_CUT,
    HALF_CUT,
    Cut,
    WindowStem,
    join_branches,
    join_works,
    pool_works,
    stem_works,
    window_max_pool,
)
from wstal.networks.i3d.kernels import join, pack_pictures
from wstal.networks.i3d.network import SameConv3d

pytestmark = MARKS


@pytest.fixture(autouse=True)
def forget_trials():
    """Trials are remembered for the process; a test must not see another one's."""
    yield
    for trial in (stem_works, pool_works, join_works):
        trial.cache_clear()


CUTS = [HALF_CUT, EXACT_CUT, Cut(64, 32, 2, 4, 4), Cut(256, 64, 2, 8, 3)]


def codes(channels, *shape):
    """Random pictures `[2, *shape, channels]`, uint8 (RGB) or int8 (flow)."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(-127, 128, (2, *shape, channels), generator=generator)
    return (x + 127).to(torch.uint8) if channels == 3 else x.to(torch.int8)


def convolution(channels, outputs):
    """It with weights of which some are a thousandth of others."""
    torch.manual_seed(0)
    conv = SameConv3d(channels, outputs, 7, 2, bias=False).requires_grad_(False)
    conv.weight *= torch.logspace(-3, 0, outputs)[:, None, None, None, None]
    return conv


def errors(conv, pictures, dtype, **settings):
    """Of each output channel, its largest error relative to its largest value in float64."""
    found = WindowStem(conv.weight.to(DEVICE), **settings)(pictures.to(DEVICE), dtype)
    assert found.dtype == dtype and found.is_contiguous()
    x = scaled(pictures).double().permute(0, 4, 1, 2, 3)
    expected = conv.double()(x).permute(0, 2, 3, 4, 1)
    assert found.shape == expected.shape
    worst = (found.cpu().double() - expected).abs().amax((0, 1, 2, 3))
    return worst / expected.abs().amax((0, 1, 2, 3))


@pytest.mark.parametrize("channels", [2, 3])
@pytest.mark.parametrize("shape", [(6, 8, 10), (5, 9, 3)])
class TestAnySize:
    @pytest.mark.parametrize("cut", CUTS)
    def test_float32_to_rounding(self, channels, shape, cut):
        pictures = codes(channels, *shape)
        conv = convolution(channels, 24)
        assert errors(conv, pictures, torch.float32, exact=True, cut=cut).max() < 4e-6

    def test_weights_of_eleven_bits(self, channels, shape):
        pictures = codes(channels, *shape)
        error = errors(convolution(channels, 8), pictures, torch.float32, exact=False)
        assert error.min() > 1e-5 and error.max() < 1e-3


# The interpreter cuts bfloat16 off where a GPU rounds.
BFLOAT16_BITS = 8 if DEVICE == "cuda" else 7


@pytest.mark.parametrize(("dtype", "bits"), [(torch.float16, 11), (torch.bfloat16, BFLOAT16_BITS)])
def test_half_precision_is_rounded_once(dtype, bits):
    """From weights of that type: but for the last rounding nothing is lost."""
    conv = convolution(3, 16)
    conv.weight.copy_(conv.weight.to(dtype).float())
    error = errors(conv, codes(3, 4, 12, 14), dtype, exact=False)
    assert 0 < error.max() < 1.05 * 2.0**-bits


def test_pictures_in_any_layout():
    stem = WindowStem(convolution(3, 16).weight.to(DEVICE), exact=False)
    pictures = codes(3, 4, 12, 14).to(DEVICE)
    turned = pictures.permute(0, 4, 1, 2, 3).contiguous().permute(0, 2, 3, 4, 1)
    assert torch.equal(stem(turned, torch.float32), stem(pictures, torch.float32))


@pytest.mark.parametrize("channels", [2, 3])
@pytest.mark.parametrize(
    ("dtype", "exact"),
    [(torch.float32, True), (torch.float32, False), (torch.float16, False)],
)
def test_a_convolution_that_works_is_used(channels, dtype, exact, recwarn):
    assert stem_works(torch.device(DEVICE), dtype, channels, exact=exact)
    assert not recwarn


def test_a_convolution_that_is_wrong_is_not_used(monkeypatch):
    right = WindowStem.__call__
    monkeypatch.setattr(WindowStem, "__call__", lambda *given: 1.0001 * right(*given))
    with pytest.warns(UserWarning, match="by torch, slower: .*wrong sums"):
        assert not stem_works(torch.device(DEVICE), torch.float32, 3, exact=True)


def test_a_convolution_that_fails_is_not_used(monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("no such architecture")

    monkeypatch.setattr(cuda, "WindowStem", broken)
    with pytest.warns(UserWarning, match="by torch, slower: RuntimeError: no such"):
        assert not stem_works(torch.device(DEVICE), torch.float32, 3, exact=True)


def test_more_channels_than_a_packed_pixel_has_are_not_tried(recwarn):
    assert not stem_works(torch.device(DEVICE), torch.float32, 5, exact=True)
    assert not recwarn


FRAMES, HEIGHT, WIDTH = 3, 5, 7
SLOTS, PADDED_HEIGHT, PADDED_WIDTH = 6, 9, 12
BEFORE = (1, 2, 3)


def packed(pictures, fold):
    out = torch.full((2, SLOTS, PADDED_HEIGHT, PADDED_WIDTH, 4), 99.0).half().to(DEVICE)
    values = 4 * PADDED_WIDTH
    pack_pictures[(2 * SLOTS * PADDED_HEIGHT, -(-values // 32))](
        pictures.to(DEVICE),
        out,
        FRAMES,
        HEIGHT,
        WIDTH,
        SLOTS,
        PADDED_HEIGHT,
        values,
        *BEFORE,
        CHANNELS=pictures.shape[-1],
        FOLD=fold,
        UNSIGNED=pictures.dtype == torch.uint8,
        BLOCK=32,
    )
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


STEM_COMPILES = """
import triton
from triton.backends.compiler import GPUTarget
from wstal.networks.i3d.kernels import pack_pictures, stem
from wstal.networks.i3d.cuda import EXACT_CUT, HALF_CUT

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
def test_the_convolution_compiles_to_matrix_units(tmp_path):
    """The interpreter accepts what the compiler refuses."""
    check_compiled(STEM_COMPILES, tmp_path)


POOLS = [((1, 3, 3), (1, 2, 2)), ((3, 3, 3), (1, 1, 1)), ((3, 3, 3), (2, 2, 2))]
POOLS += [((2, 2, 2), (2, 2, 2)), ((5, 2, 4), (1, 2, 3))]


def values(*shape, dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(shape, generator=generator).to(dtype).to(DEVICE)


@pytest.mark.parametrize(("kernel", "stride"), POOLS)
@pytest.mark.parametrize("shape", [(4, 6, 5, 16), (3, 5, 7, 3), (2, 4, 1, 5), (1, 1, 2, 80)])
class TestPoolingEqualsAxisByAxis:
    def test_alone(self, shape, kernel, stride):
        x = values(2, *shape) - 3  # few positive values: the border must not win
        before = x.clone()
        found = window_max_pool(x, kernel, stride)
        assert torch.equal(found, axis_max_pool(x, (1, 2, 3), kernel, stride))
        assert found.is_contiguous() and torch.equal(x, before)

    def test_with_bias_and_relu_in_half_precision(self, shape, kernel, stride):
        x = values(2, *shape, dtype=torch.float16)
        bias = values(shape[-1], dtype=torch.float16)
        found = window_max_pool(x, kernel, stride, bias, rectify=True)
        pooled = axis_max_pool(x, (1, 2, 3), kernel, stride)
        assert torch.equal(found, (pooled + bias).relu())
        assert (found == 0).any()


def test_pooling_takes_any_memory_layout_and_nan_comes_out():
    x = values(1, 2, 4, 4, 16)
    x[0, 0, 1, 1, 3] = torch.nan
    wanted = axis_max_pool(x, (1, 2, 3), (2, 2, 2), (2, 2, 2))
    turned = x.permute(0, 4, 1, 2, 3).contiguous().permute(0, 2, 3, 4, 1)
    found = window_max_pool(turned, (2, 2, 2), (2, 2, 2))
    assert found.isnan().sum() == 1
    torch.testing.assert_close(found, wanted, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_pooling_that_works_is_used(dtype, recwarn):
    assert pool_works(torch.device(DEVICE), dtype)
    assert not recwarn


@pytest.mark.parametrize(
    ("result", "reason"),
    [(RuntimeError("no such architecture"), "RuntimeError: no such"), (1.0, "wrong maxima")],
)
def test_pooling_that_fails_or_is_wrong_is_not_used(monkeypatch, result, reason):
    def broken(x, *_, **__):
        if isinstance(result, Exception):
            raise result
        return torch.full_like(x[:, :2, :3, :3], result)

    monkeypatch.setattr(cuda, "window_max_pool", broken)
    with pytest.warns(UserWarning, match=f"several passes, slower: .*{reason}"):
        assert not pool_works(torch.device(DEVICE), torch.float32)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("sizes", [(64, 128, 32, 32), (208, 8, 24, 48), (320,)])
def test_joined_branches_equal_the_operations(sizes, dtype):
    parts = [values(2, 3, 5, 7, size, dtype=dtype) for size in sizes]
    biases = [values(size, dtype=dtype) if n % 2 else None for n, size in enumerate(sizes)]
    parts[0][0, 0, 0, 0, 0] = torch.nan
    before = [part.clone() for part in parts]
    found = join_branches(parts, biases)
    shifted = [p if b is None else p + b for p, b in zip(parts, biases, strict=True)]
    expected = torch.cat(shifted, -1).relu()
    torch.testing.assert_close(found, expected, rtol=0, atol=0, equal_nan=True)
    assert found.isnan().sum() == 1 and found.is_contiguous()
    assert all(
        torch.equal(part.nan_to_num(), kept.nan_to_num())
        for part, kept in zip(parts, before, strict=True)
    )


def test_branches_in_any_memory_layout():
    part = values(1, 2, 4, 4, 16, dtype=torch.float32)
    turned = part.permute(0, 4, 1, 2, 3).contiguous().permute(0, 2, 3, 4, 1)
    assert torch.equal(join_branches([turned, part], [None, None])[..., :16], part.relu())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_joining_that_works_is_used(dtype, recwarn):
    assert join_works(torch.device(DEVICE), dtype)
    assert not recwarn


def test_joining_that_is_wrong_is_not_used(monkeypatch):
    def unshifted(parts, biases):
        return torch.cat(parts, -1).relu()

    monkeypatch.setattr(cuda, "join_branches", unshifted)
    with pytest.warns(UserWarning, match="several passes, slower: .*wrong sums"):
        assert not join_works(torch.device(DEVICE), torch.float32)


@pytest.mark.parametrize("first", [0, 1, 2])
def test_joining_leaves_other_channels_alone(first):
    x = (torch.arange(5 * 24).float() - 50).view(5, 24).to(DEVICE)
    out = torch.full((6, 40), 7.0, device=DEVICE)
    join[(2,)](x, x, out, 5, 3, first, 5, BIAS=False, BLOCK_P=4, BLOCK_C=32)
    expected = torch.full((6, 40), 7.0, device=DEVICE)
    expected[:5, 8 * first : 8 * first + 24] = x.relu()
    assert torch.equal(out, expected)


JOIN_COMPILES = """
import triton
from triton.backends.compiler import GPUTarget
from wstal.networks.i3d.kernels import join

names, values = join.arg_names, {"BIAS": True, "BLOCK_P": 16, "BLOCK_C": 256}
types = {name: "*fp16" for name in ("x", "bias", "out")}
signature = {n: types.get(n, "constexpr" if n in values else "i32") for n in names}
aligned = {(names.index(name),): [["tt.divisibility", 16]] for name in types}
constants = {(names.index(name),): value for name, value in values.items()}
source = triton.compiler.ASTSource(join, signature, constants, aligned)
code = triton.compile(source, target=GPUTarget("cuda", 90, 32)).asm["ptx"]
assert "ld.global.v4.b32" in code and "st.global.v4.b32" in code, code
"""


@pytest.mark.skipif(DEVICE == "cuda", reason="the other tests compile it there")
def test_joining_compiles_to_wide_loads_and_stores(tmp_path):
    check_compiled(JOIN_COMPILES, tmp_path)
