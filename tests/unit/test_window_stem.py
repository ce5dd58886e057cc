"""The first convolution from stored pictures is torch's of scaled ones, for any size."""

import pytest
import torch
from triton_device import DEVICE, MARKS

pytest.importorskip("triton")

from wstal.features.snippets import scaled
from wstal.nets import window_stem
from wstal.nets.same_padding import SameConv3d
from wstal.nets.window_stem import EXACT_CUT, HALF_CUT, Cut, WindowStem, stem_works

pytestmark = MARKS
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


@pytest.fixture
def asked_anew():
    stem_works.cache_clear()
    yield
    stem_works.cache_clear()


@pytest.mark.parametrize("channels", [2, 3])
@pytest.mark.parametrize(
    ("dtype", "exact"),
    [(torch.float32, True), (torch.float32, False), (torch.float16, False)],
)
def test_a_kernel_that_works_is_used(asked_anew, channels, dtype, exact, recwarn):
    assert stem_works(torch.device(DEVICE), dtype, channels, exact=exact)
    assert not recwarn


def test_a_kernel_that_is_wrong_is_not_used(monkeypatch, asked_anew):
    right = WindowStem.__call__
    monkeypatch.setattr(WindowStem, "__call__", lambda *given: 1.0001 * right(*given))
    with pytest.warns(UserWarning, match="by torch, slower: .*wrong sums"):
        assert not stem_works(torch.device(DEVICE), torch.float32, 3, exact=True)


def test_a_kernel_that_fails_is_not_used(monkeypatch, asked_anew):
    def broken(*_, **__):
        raise RuntimeError("no such architecture")

    monkeypatch.setattr(window_stem, "WindowStem", broken)
    with pytest.warns(UserWarning, match="by torch, slower: RuntimeError: no such"):
        assert not stem_works(torch.device(DEVICE), torch.float32, 3, exact=True)


def test_more_channels_than_a_packed_pixel_has_are_not_tried(asked_anew, recwarn):
    assert not stem_works(torch.device(DEVICE), torch.float32, 5, exact=True)
    assert not recwarn
