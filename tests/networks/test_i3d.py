"""Inception-I3D: its architecture, TensorFlow's padding, and the faster operations on CPUs."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode
from wstal.base.errors import WstalError
from wstal.networks.i3d.cpu import TimeConv3d, axis_max_pool, minimal_filter
from wstal.networks.i3d.cuda import kernel_works
from wstal.networks.i3d.network import InceptionI3D, SameConv3d, SameMaxPool3d, same_padding


@pytest.mark.parametrize(("channels", "gmac"), [(3, 27.79), (2, 25.58)])
def test_work_and_parameters_are_the_published_networks(channels, gmac):
    with torch.device("meta"):
        network = InceptionI3D(channels).eval()
        counter = FlopCounterMode(display=False)
        with counter:
            network.features(torch.empty(1, channels, 16, 224, 224))
    assert counter.get_total_flops() / 2e9 == pytest.approx(gmac, abs=0.005)
    parameters = sum(p.numel() for p in network.parameters())
    assert parameters / 1e6 == pytest.approx(12.7, abs=0.03)


@pytest.mark.parametrize(
    ("frames", "size", "steps"), [(16, 224, 1), (17, 224, 2), (64, 224, 7), (16, 112, 1)]
)
def test_shapes(frames, size, steps):
    with torch.device("meta"):
        network = InceptionI3D(3, num_classes=11).eval()
        x = torch.empty(2, 3, frames, size, size)
        assert network.features(x).shape == (2, 1024)
        assert network(x).shape == (2, 11, steps)
        side = -(-size // 32)
        assert network.trunk(x).shape == (2, 1024, steps + 1, side, side)


def test_width_scales_the_feature():
    network = InceptionI3D(2, width=0.25, num_classes=5)
    assert network.feature_size == 256
    assert network.Mixed_5c.b1b.conv3d.weight.shape == (96, 48, 3, 3, 3)


def test_parameter_names_are_the_public_layout():
    names = set(InceptionI3D(3, width=0.125).state_dict())
    mixed = ["3b", "3c", "4b", "4c", "4d", "4e", "4f", "5b", "5c"]
    units = ["Conv3d_1a_7x7", "Conv3d_2b_1x1", "Conv3d_2c_3x3"]
    units += [f"Mixed_{m}.{b}" for m in mixed for b in ("b0", "b1a", "b1b", "b2a", "b2b", "b3b")]
    norm = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
    expected = {f"{unit}.bn.{part}" for unit in units for part in norm}
    expected |= {f"{unit}.conv3d.weight" for unit in units}
    assert names == expected | {"logits.conv3d.weight", "logits.conv3d.bias"}


def plain_forward(state, x):
    """Inception-I3D written out over its state dict, padding each layer by hand."""

    def same(x, kernel, stride):
        flat = []
        for n, k, s in reversed(list(zip(x.shape[2:], kernel, stride, strict=True))):
            total = max(k - s, 0) if n % s == 0 else max(k - n % s, 0)
            flat += [total // 2, total - total // 2]
        return F.pad(x, flat)

    def unit(name, x, stride=1):
        weight = state[f"{name}.conv3d.weight"]
        x = F.conv3d(same(x, weight.shape[2:], [stride] * 3), weight, stride=stride)
        stats = [state[f"{name}.bn.{p}"] for p in ("running_mean", "running_var", "weight", "bias")]
        return F.relu(F.batch_norm(x, *stats, eps=1e-3))

    def pool(x, kernel, stride):
        return F.max_pool3d(same(x, kernel, stride), kernel, stride)

    def mixed(name, x):
        b3 = unit(f"{name}.b3b", pool(x, (3, 3, 3), (1, 1, 1)))
        b1 = unit(f"{name}.b1b", unit(f"{name}.b1a", x))
        b2 = unit(f"{name}.b2b", unit(f"{name}.b2a", x))
        return torch.cat([unit(f"{name}.b0", x), b1, b2, b3], 1)

    x = pool(unit("Conv3d_1a_7x7", x, 2), (1, 3, 3), (1, 2, 2))
    x = unit("Conv3d_2c_3x3", unit("Conv3d_2b_1x1", x))
    x = pool(x, (1, 3, 3), (1, 2, 2))
    x = mixed("Mixed_3c", mixed("Mixed_3b", x))
    x = pool(x, (3, 3, 3), (2, 2, 2))
    for letter in "bcdef":
        x = mixed(f"Mixed_4{letter}", x)
    x = pool(x, (2, 2, 2), (2, 2, 2))
    x = mixed("Mixed_5c", mixed("Mixed_5b", x))
    pooled = F.avg_pool3d(x, (2, *x.shape[3:]), stride=1)
    logits = F.conv3d(pooled, state["logits.conv3d.weight"], state["logits.conv3d.bias"])
    return pooled.mean(2).flatten(1), logits.squeeze(-1).squeeze(-1)


@pytest.mark.parametrize("shape", [(16, 224, 224), (18, 112, 80)])
def test_equals_the_network_written_out(shape):
    torch.manual_seed(0)
    network = InceptionI3D(2, width=0.125, num_classes=7).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm3d):
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.05, 0.2)
    x = torch.randn(1, 2, *shape)
    with torch.no_grad():
        features, logits = plain_forward(network.state_dict(), x)
        scale = features.abs().max()
        torch.testing.assert_close(network.features(x) / scale, features / scale, rtol=0, atol=1e-5)
        torch.testing.assert_close(network(x), logits, rtol=1e-4, atol=1e-4 * scale.item())


@pytest.mark.parametrize("shape", [(1, 3, 15, 64, 64), (1, 2, 16, 64, 64)])
def test_refuses_short_snippets_and_other_channels(shape):
    with pytest.raises(WstalError, match="at least 16 frames"):
        InceptionI3D(3, width=0.125)(torch.zeros(shape))


@pytest.mark.parametrize("kernel", [1, 2, 3, 7])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [1, 2, 5, 7, 14, 15, 16, 112, 224])
def test_rule_of_tensorflow(size, kernel, stride):
    # https://www.tensorflow.org/api_docs/python/tf/nn#notes_on_padding_2
    if size % stride == 0:
        total = max(kernel - stride, 0)
    else:
        total = max(kernel - size % stride, 0)
    before, after = same_padding(size, kernel, stride)
    assert (before, after) == (total // 2, total - total // 2)
    assert (size + before + after - kernel) // stride + 1 == math.ceil(size / stride)


def padded(x, kernel, stride, value):
    amounts = [same_padding(n, k, s) for n, k, s in zip(x.shape[2:], kernel, stride, strict=True)]
    return F.pad(x, [a for pair in reversed(amounts) for a in pair], value=value)


@pytest.mark.parametrize("size", [(16, 14, 15), (9, 8, 7)])
@pytest.mark.parametrize(("kernel", "stride"), [(7, 2), (3, 1), (1, 1)])
def test_convolution(size, kernel, stride):
    torch.manual_seed(0)
    layer = SameConv3d(2, 3, kernel, stride)
    x = torch.randn(1, 2, *size)
    expected = F.conv3d(
        padded(x, [kernel] * 3, [stride] * 3, 0.0), layer.weight, layer.bias, stride
    )
    torch.testing.assert_close(layer(x), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("kernel", "stride"), [((1, 3, 3), (1, 2, 2)), ((3, 3, 3), (1, 1, 1)), ((2, 2, 2), (2, 2, 2))]
)
def test_pooling_of_negative_values(kernel, stride):
    x = -1 - torch.rand(1, 2, 5, 8, 7)
    out = SameMaxPool3d(kernel, stride)(x)
    assert torch.equal(out, F.max_pool3d(padded(x, kernel, stride, -1e9), kernel, stride))
    assert out.max() < -1, "the border must never win"


@pytest.mark.parametrize(("outputs", "taps"), [(1, 1), (2, 3), (4, 3), (4, 4)])
def test_the_filter_is_minimal_and_exact(outputs, taps):
    torch.manual_seed(0)
    v, u, y = minimal_filter(outputs, taps)
    assert len(v) == len(u) == y.shape[1] == outputs + taps - 1
    g, d = torch.randn(taps).double(), torch.randn(outputs + taps - 1).double()
    expected = [sum(g[j] * d[i + j] for j in range(taps)) for i in range(outputs)]
    torch.testing.assert_close(y @ ((u @ g) * (v @ d)), torch.stack(expected))


def test_a_filter_of_more_points_is_refused():
    with pytest.raises(ValueError, match="needs 9 points"):
        minimal_filter(4, 6)


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 8, 11])
@pytest.mark.parametrize(
    ("taps", "time_padding", "kernel", "padding", "stride"),
    [(3, 1, 3, 1, 1), (3, 1, 5, 0, 2), (4, 2, 3, 1, 1)],
)
@torch.no_grad()
def test_equals_conv3d(length, taps, time_padding, kernel, padding, stride):
    torch.manual_seed(length)
    weight, bias = torch.randn(7, 5, taps, kernel, kernel), torch.randn(7)
    x = torch.randn(2, 5, length, 9, 8)
    expected = F.conv3d(
        *(each.double() for each in (x, weight, bias)),
        stride=(1, stride, stride),
        padding=(time_padding, padding, padding),
    )
    conv = TimeConv3d(weight, bias, time_padding=time_padding, padding=padding, stride=stride)
    found = conv(x.permute(2, 0, 3, 4, 1)).permute(1, 4, 0, 2, 3)
    assert found.shape == expected.shape
    assert (found - expected).norm() < 3e-6 * expected.norm()


POOLS = [((1, 3, 3), (1, 2, 2)), ((3, 3, 3), (1, 1, 1)), ((3, 3, 3), (2, 2, 2))]
POOLS += [((2, 2, 2), (2, 2, 2)), ((1, 1, 1), (1, 1, 1)), ((5, 2, 4), (1, 2, 3))]


@pytest.mark.parametrize(("kernel", "stride"), POOLS)
@pytest.mark.parametrize("shape", [(8, 28, 28), (5, 7, 9), (2, 4, 1), (1, 1, 2)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_equals_padded_pooling(kernel, stride, shape, dtype):
    torch.manual_seed(0)
    x = torch.randn(2, 3, *shape).to(dtype)  # negative values too: the border must not win
    expected = SameMaxPool3d(kernel, stride)(x.float()).to(dtype)
    before = x.clone()
    assert torch.equal(axis_max_pool(x, (2, 3, 4), kernel, stride), expected)
    assert torch.equal(x, before)
    last = x.permute(2, 0, 3, 4, 1).contiguous()
    found = axis_max_pool(last, (0, 2, 3), kernel, stride)
    assert torch.equal(found.permute(1, 4, 0, 2, 3), expected)
    assert found.is_contiguous()


def test_a_kernel_that_works_is_used_without_a_word(recwarn):
    assert kernel_works(lambda: True, "wrong sums", "adding by hand")
    assert not recwarn


def test_a_wrong_result_is_named():
    with pytest.warns(UserWarning, match="adding by hand, slower: wrong sums"):
        assert not kernel_works(lambda: False, "wrong sums", "adding by hand")


def test_a_failure_is_named():
    with pytest.warns(UserWarning, match="by hand, slower: ZeroDivisionError: .*zero"):
        assert not kernel_works(lambda: 1 // 0 == 1, "wrong sums", "adding by hand")
