"""The fast network computes the plain one's features; ten-crop takes torchvision's views."""

from __future__ import annotations

from copy import deepcopy

import cv2
import numpy as np
import pytest
import torch
from torch import nn
from triton_device import DEVICE
from wstal.base.errors import WstalError
from wstal.features.snippets import scaled
from wstal.flow import tvl1
from wstal.networks.i3d.inference import (
    CodeStem,
    DirectConv,
    FastI3D,
    FastMixed,
    JoinedMixed,
    MaxPool,
    PooledUnit,
    TenCrop,
    for_inference,
    fuse_batch_norms,
)
from wstal.networks.i3d.network import InceptionI3D, SameMaxPool3d, Unit3D
from wstal.networks.torchvision_import import import_torchvision

CPU = torch.device("cpu")


def calibrated(channels, width, size):
    """A network whose activations neither vanish nor explode, with uneven batch norms."""
    torch.manual_seed(0)
    network = InceptionI3D(channels, width, num_classes=5)
    for module in network.modules():
        if isinstance(module, nn.Conv3d):
            nn.init.kaiming_normal_(module.weight)
        if isinstance(module, nn.BatchNorm3d):
            module.momentum = None
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.2)
    with torch.no_grad():
        network.train().trunk(torch.randn(2, channels, 16, size, size))
    return network.eval()


def relative_error(found, expected):
    return ((found - expected).norm() / expected.norm()).item()


@pytest.mark.parametrize("channels", [2, 3])
@torch.inference_mode()
def test_full_width_network_is_exact_to_rounding(channels):
    network = calibrated(channels, 1.0, 64)
    x = torch.randn(2, channels, 16, 64, 64)
    found = for_inference(network, CPU).features(x)
    assert found.dtype == torch.float32 and found.shape == (2, 1024)
    assert relative_error(found, network.features(x)) < 1e-4


@pytest.mark.parametrize("shape", [(16, 112, 80), (17, 33, 47), (24, 64, 64), (31, 32, 50)])
@torch.inference_mode()
def test_any_length_and_size(shape):
    network = calibrated(3, 0.125, 64)
    x = torch.randn(1, 3, *shape)
    found = for_inference(network, CPU).features(x)
    assert relative_error(found, network.features(x)) < 1e-4


@pytest.mark.parametrize("shape", [(1, 3, 15, 32, 32), (1, 3, 8, 32, 32), (1, 2, 16, 32, 32)])
@torch.inference_mode()
def test_what_the_network_refuses_is_refused(shape):
    """Eight frames leave one step of time, whose mean over pairs of steps would be no number."""
    network = InceptionI3D(3, 0.125).eval()
    for refusing in (network, for_inference(network, CPU)):
        with pytest.raises(WstalError, match="at least 16 frames"):
            refusing.features(torch.zeros(shape))


@torch.inference_mode()
def test_snippets_of_a_batch_do_not_meet_and_their_memory_layout_is_free():
    network = for_inference(calibrated(2, 0.125, 64), CPU)
    x = torch.randn(5, 2, 16, 64, 64)
    expected = torch.cat([network.features(part) for part in x.split(1)])
    last = x.contiguous(memory_format=torch.channels_last_3d)
    for batch in (x, last):
        assert relative_error(network.features(batch), expected) < 1e-5


@torch.inference_mode()
def test_bfloat16_is_near_and_not_exact():
    network = calibrated(3, 0.125, 64)
    x = torch.randn(2, 3, 16, 64, 64)
    found = for_inference(network, CPU, "bf16").features(x)
    assert found.dtype == torch.float32
    assert 1e-3 < relative_error(found, network.features(x)) < 0.2


@torch.inference_mode()
def test_layout_for_gpus_is_the_same_function():
    network = calibrated(3, 0.125, 64).double()
    fast = FastI3D(network, CPU, torch.float64)  # not float32 on a CPU: direct, time second
    fast.on_cpu = False
    x = torch.randn(2, 3, 16, 64, 80).double()
    expected = network.features(x)
    assert relative_error(fast.features(x), expected) < 1e-6


def test_the_original_is_untouched_and_other_networks_are_folded():
    network = calibrated(3, 0.125, 32)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    for_inference(network, CPU, "bf16")
    for_inference(network, CPU)
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])
    other = for_inference(network.Mixed_3b, CPU)
    assert not any(isinstance(module, nn.BatchNorm3d) for module in other.modules())
    assert other.b1b.conv3d.weight.is_contiguous(memory_format=torch.channels_last_3d)


@pytest.mark.parametrize(
    ("precision", "message"),
    [("fp16", "needs a GPU"), ("tf32", "fp32 or bf16"), ("int8", "not one of fp32, tf32")],
)
def test_precisions_that_the_device_lacks_are_refused(precision, message):
    with pytest.raises(WstalError, match=message):
        for_inference(InceptionI3D(3, 0.0625), CPU, precision)


def test_lower_precision_is_for_inception_alone():
    with pytest.raises(WstalError, match="Inception-I3D"):
        for_inference(nn.Identity(), CPU, "bf16")


@torch.inference_mode()
def test_bias_and_relu_give_the_same_after_pooling():
    conv = InceptionI3D(3, 0.25).Conv3d_1a_7x7.conv3d.double()
    conv.bias = nn.Parameter(torch.randn(16).double())
    pool = MaxPool(SameMaxPool3d((1, 3, 3), (1, 2, 2)), 1)
    x = torch.randn(2, 16, 40, 35, 3).double()
    expected = pool(DirectConv(conv, 1)(x).relu())
    for late in (False, True):
        unit = PooledUnit(DirectConv(conv, 1), pool, late)
        assert (unit.bias is not None) is late
        torch.testing.assert_close(unit(x), expected)


@pytest.mark.skipif(DEVICE == "cuda", reason="the interpreter is off; see test_gpu_equals_cpu")
@pytest.mark.parametrize(("channels", "dtype"), [(3, torch.uint8), (2, torch.int8)])
@torch.inference_mode()
def test_the_first_convolution_takes_pictures_scaled_or_as_they_are(channels, dtype):
    pytest.importorskip("triton")
    conv = InceptionI3D(channels, 0.25).Conv3d_1a_7x7.conv3d
    conv.bias = nn.Parameter(torch.randn(16))
    expected = DirectConv(conv, 1)
    stem = CodeStem(conv, True)
    x = torch.randint(0, 128, (1, 16, 12, 14, channels), dtype=dtype)
    for _ in range(2):
        for given in (scaled(x), x):
            assert relative_error(stem(given), expected(scaled(x))) < 1e-6
        stem.release_bias()


@pytest.mark.skipif(DEVICE == "cuda", reason="the interpreter is off; see test_gpu_equals_cpu")
@torch.inference_mode()
def test_pictures_as_they_are_reach_the_first_convolution():
    """On a GPU; here a network for CPUs is given its stem."""
    pytest.importorskip("triton")
    network = calibrated(2, 0.125, 32)
    fast = for_inference(network, CPU, "bf16")
    assert not fast.takes_codes
    conv = fuse_batch_norms(network).Conv3d_1a_7x7.conv3d.to(torch.bfloat16)
    fast.front[0].linear, fast.takes_codes = CodeStem(conv, False), True
    x = torch.randint(-127, 128, (2, 16, 32, 40, 2), dtype=torch.int8)
    expected = network.features(scaled(x).permute(0, 4, 1, 2, 3))
    assert relative_error(fast.features(x.permute(0, 4, 1, 2, 3)), expected) < 0.1


@torch.inference_mode()
def test_joined_branches_are_those_of_the_module():
    mixed = fuse_batch_norms(calibrated(3, 0.25, 32).double()).Mixed_3b
    x = torch.randn(2, 4, 6, 5, 48).double()
    torch.testing.assert_close(JoinedMixed(deepcopy(mixed))(x), FastMixed(mixed, 1, False)(x))


@pytest.mark.gpu
@pytest.mark.parametrize(("precision", "error"), [("fp32", 1e-4), ("tf32", 0.05), ("fp16", 0.05)])
@torch.inference_mode()
def test_gpu_equals_cpu(precision, error):
    network = calibrated(3, 0.25, 64)
    codes = torch.randint(0, 256, (3, 16, 64, 80, 3)).to(torch.uint8)
    x = scaled(codes).permute(0, 4, 1, 2, 3)
    expected = network.features(x)
    cuda = torch.device("cuda")
    fast = for_inference(network, cuda, precision)
    assert fast.takes_codes
    for given in (x, codes.permute(0, 4, 1, 2, 3)):
        found = fast.features(given.to(cuda))
        assert found.dtype == torch.float32 and found.device.type == "cuda"
        assert relative_error(found.cpu(), expected) < error


@torch.no_grad()
def test_fused_batch_norms_give_the_plain_features_and_leave_the_network_alone():
    network = calibrated(3, 0.125, 64)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    x = torch.randn(2, 3, 16, 64, 64)
    fused = fuse_batch_norms(network)
    assert relative_error(fused.features(x), network.features(x)) < 1e-4
    assert not any(isinstance(module, nn.BatchNorm3d) for module in fused.modules())
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])


@torch.no_grad()
def test_fused_batch_norms_have_the_bytes_of_the_formula_in_float64():
    """weight' = s weight and bias' = beta - s mean with s = gamma / sqrt(var + eps)."""
    network = calibrated(3, 0.5, 32)
    fused = fuse_batch_norms(network)
    units = {name: m for name, m in network.named_modules() if isinstance(m, Unit3D)}
    assert len(units) == 57
    for name, unit in units.items():
        norm, conv = unit.bn, fused.get_submodule(name).conv3d
        scale = norm.weight.double() / torch.sqrt(norm.running_var.double() + norm.eps)
        weight = unit.conv3d.weight.double() * scale[:, None, None, None, None]
        bias = norm.bias.double() - scale * norm.running_mean.double()
        assert torch.equal(conv.weight, weight.float()) and torch.equal(conv.bias, bias.float())


class Flat(nn.Module):
    """The pixels themselves as a vector, so that nothing is averaged away."""

    def features(self, x):
        return x.flatten(1)


def test_views_are_torchvisions():
    x = torch.rand(2, 3, 4, 10, 14)
    ten = list(TenCrop(Flat(), 6).crops(x))
    expected = import_torchvision().transforms.functional.ten_crop(x, 6)
    theirs = {view.contiguous().numpy().tobytes() for view in expected}  # in another order
    assert len(ten) == len(theirs) == 10
    assert {view.contiguous().numpy().tobytes() for view in ten} == theirs


def test_mean_over_the_views():
    x = torch.rand(2, 3, 4, 9, 7)
    ten = TenCrop(Flat(), 5)
    expected = torch.stack([view.flatten(1) for view in ten.crops(x)]).mean(0)
    torch.testing.assert_close(ten.features(x), expected)


def test_a_mirrored_flow_is_the_flow_of_mirrored_pictures():
    """A pattern moved by (1, 2) px, mirrored: the flow found is what the crop says."""
    rng = np.random.default_rng(0)
    picture = cv2.GaussianBlur(rng.uniform(0, 255, (80, 80)).astype(np.float32), (0, 0), 3)
    picture = np.clip((picture - picture.mean()) * 6 + 128, 0, 255).astype(np.uint8)
    frames = np.stack([picture, np.roll(picture, (2, 1), (0, 1))])
    flow = torch.from_numpy(tvl1(frames)).float().permute(3, 0, 1, 2)[None]
    mirrored = torch.from_numpy(tvl1(np.ascontiguousarray(frames[:, :, ::-1]))).permute(3, 0, 1, 2)
    view = list(TenCrop(Flat(), 48).crops(flow))[9][0]
    expected = mirrored[:, :, 16:64, 16:64]
    assert (view - expected).abs().median() < 0.02
    assert abs(expected[0].median() + 1) < 0.1 and abs(expected[1].median() - 2) < 0.1


@pytest.mark.parametrize(("channels", "dtype"), [(3, torch.uint8), (2, torch.int8)])
def test_views_of_codes_are_the_codes_of_views(channels, dtype):
    codes = torch.randint(-127, 128, (1, channels, 2, 6, 8)).to(dtype)
    assert not TenCrop(Flat(), 4).takes_codes
    network = Flat()
    network.takes_codes = True
    ten = TenCrop(network, 4)
    assert ten.takes_codes
    for view, expected in zip(ten.crops(codes), ten.crops(codes.float()), strict=True):
        assert view.dtype == dtype and torch.equal(view.float(), expected)


def test_small_pictures_are_refused():
    with pytest.raises(WstalError, match="7x9"):
        list(TenCrop(Flat(), 8).crops(torch.rand(1, 3, 2, 9, 7)))
