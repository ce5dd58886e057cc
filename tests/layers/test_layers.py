"""Convolution over time by every route, the attention unit and dropout."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from wstal.layers import temporal as module
from wstal.layers.temporal import Dropout, TemporalConv, conv3, is_large, windows
from wstal.methods.co2net.network import AttentionUnit, average_over_time, linear_as_centre_tap


@pytest.mark.parametrize(("kernel", "dilation"), [(1, 1), (3, 1), (5, 1), (3, 2), (5, 3), (3, 20)])
def test_convolution_is_torchs_with_taps_first(kernel, dilation):
    layer, x = TemporalConv(6, 4, kernel, dilation=dilation), torch.randn(2, 9, 6)
    plain = nn.Conv1d(6, 4, kernel, padding=kernel // 2 * dilation, dilation=dilation)
    plain.weight.data = layer.weight.data.permute(1, 2, 0).contiguous()
    plain.bias.data = torch.randn(4)
    layer.bias.data = plain.bias.data.clone()
    torch.testing.assert_close(layer(x), plain(x.mT).mT, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("kernel", "dilation"), [(1, 1), (3, 1), (3, 4)])
def test_padding_is_left_out_and_stays_zero(kernel, dilation):
    torch.manual_seed(0)
    layer = TemporalConv(6, 4, kernel, dilation=dilation)
    nn.init.normal_(layer.bias)
    mask = torch.arange(9) < torch.tensor([[9], [5]])
    x = (torch.randn(2, 9, 6) * mask[..., None]).requires_grad_()
    found = layer(x, mask)
    expected = layer(x) * mask[..., None]
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    gradients = [torch.autograd.grad(y.square().sum(), layer.weight)[0] for y in (found, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-5, atol=1e-6)


def test_distant_taps_never_take_the_fast_route():
    torch.manual_seed(0)
    layer, x = TemporalConv(700, 700, dilation=2), torch.randn(5, 40, 700)
    plain = functional.conv1d(x.mT, layer.weight.permute(1, 2, 0), padding=2, dilation=2).mT
    with torch.no_grad():
        torch.testing.assert_close(layer(x), plain, rtol=0, atol=1e-4)


def test_the_fast_route_gives_what_the_usual_one_gives(monkeypatch):
    torch.manual_seed(0)
    layer, x = TemporalConv(700, 700), torch.randn(5, 40, 700)
    with torch.no_grad():
        fast = layer(x)
        monkeypatch.setattr("wstal.layers.temporal.is_large", lambda *_: False)
        torch.testing.assert_close(fast, layer(x), rtol=0, atol=1e-4)


def test_windows_hold_the_neighbours():
    x = torch.arange(1.0, 4.0).view(1, 3, 1)
    assert windows(x, 3).tolist() == [[[0, 1, 2], [1, 2, 3], [2, 3, 0]]]
    assert windows(x, 3, 2).tolist() == [[[0, 1, 3], [0, 2, 0], [1, 3, 0]]]


def test_initial_weights_span_hes_range():
    weight = TemporalConv(64, 64).weight
    bound = (6 / (3 * 64)) ** 0.5
    assert 0.99 * bound < weight.abs().max() <= bound
    layer = linear_as_centre_tap(64, 64)
    assert 0.98 * bound < layer.weight.abs().max() <= bound


def test_attention_of_half_where_dropout_hits_the_logit():
    torch.manual_seed(0)
    unit, x = AttentionUnit(6, 4, dropout=0.5, logit_dropout=0.5), torch.randn(40, 50, 6)
    attention, undropped = unit.train()(x)
    assert (attention == 0.5).float().mean().item() == pytest.approx(0.5, abs=0.05)
    kept = attention != 0.5
    doubled = (2 * undropped.double().logit()).sigmoid()[kept]  # dropout of a half doubles the rest
    torch.testing.assert_close(attention[kept].double(), doubled, atol=1e-4, rtol=0)
    assert (unit.eval()(x)[0] != 0.5).all() and torch.equal(*unit(x))
    without, _ = AttentionUnit(6, 4, dropout=0.5, logit_dropout=0).train()(x)
    assert (without != 0.5).all()


def test_moving_average_counts_zeros_at_the_edges():
    x = torch.rand(2, 11, 3)
    expected = np.stack(
        [[np.convolve(x[b, :, c], np.ones(5) / 5, "same") for c in range(3)] for b in range(2)]
    ).transpose(0, 2, 1)
    np.testing.assert_allclose(average_over_time(x, 5), expected, atol=1e-6)
    np.testing.assert_allclose(average_over_time(x[..., 0], 5), expected[..., 0], atol=1e-6)
    assert average_over_time(x, 1) is x


def test_descriptor_of_one_snippet_is_the_centre_tap():
    layer, x = linear_as_centre_tap(5, 3), torch.randn(2, 1, 5)
    weight = torch.randn(3, 5, 3)
    weight[:, :, 1] = layer.weight[0]
    expected = functional.conv1d(x.mT, weight, layer.bias, padding=1).mT
    torch.testing.assert_close(layer(x), expected)


@pytest.mark.parametrize("p", [0.5, 0.7])
def test_rate_scale_and_gradient(p):
    torch.manual_seed(0)
    x = torch.ones(400, 501, requires_grad=True)
    y = Dropout(p)(x)
    kept = y > 0
    assert kept.float().mean().item() == pytest.approx(1 - p, abs=4e-3)
    torch.testing.assert_close(y[kept], torch.full_like(y[kept], 1 / (1 - p)), rtol=1e-4, atol=0)
    y.sum().backward()
    assert torch.equal(x.grad, y.detach())


def test_neighbours_and_calls_are_independent():
    torch.manual_seed(0)
    layer, x = Dropout(0.5), torch.ones(100_000)
    first, second = layer(x) > 0, layer(x) > 0
    for a, b in ((first, second), (first[1:], first[:-1]), (first[4:], first[:-4])):
        assert (a == b).float().mean().item() == pytest.approx(0.5, abs=0.01)


def test_the_state_of_torch_alone_fixes_the_draw():
    layer, x = Dropout(0.5), torch.ones(50)
    torch.manual_seed(3)
    state = torch.get_rng_state()
    first = layer(x)
    torch.set_rng_state(state)
    assert torch.equal(layer(x), first)


def test_evaluation_and_zero_change_nothing():
    x = torch.rand(7)
    assert Dropout(0.5).eval()(x) is x
    assert Dropout(0)(x) is x


@pytest.mark.parametrize("onednn", [True, False])
def test_large_products_equal_the_usual_layer_with_gradients(onednn, monkeypatch):
    monkeypatch.setattr(module, "ONEDNN", onednn and module.ONEDNN)
    monkeypatch.setattr(module, "LARGE_PRODUCT", 0)
    torch.manual_seed(0)
    shapes = ((3, 9, 40), (17, 40), (17,))
    inputs = [torch.randn(shape, requires_grad=True) for shape in shapes]
    found, expected = module.linear(*inputs), functional.linear(*inputs)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    upstream = torch.randn_like(expected)
    for a, b in zip(
        torch.autograd.grad(found, inputs, upstream),
        torch.autograd.grad(expected, inputs, upstream),
        strict=True,
    ):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-4)


def test_transposed_views_are_taken_as_they_are():
    a, b = torch.randn(30, 20), torch.randn(30, 10)
    torch.testing.assert_close(module.product(a.t(), b.t()), a.t() @ b, rtol=1e-5, atol=1e-5)


def test_small_and_double_inputs_go_the_usual_way(monkeypatch):
    monkeypatch.setattr(module, "product", None)  # would fail if called
    module.linear(torch.randn(2, 3), torch.randn(4, 3), torch.randn(4))
    module.linear(*(torch.randn(2000, 2000).double() for _ in range(2)), torch.zeros(2000).double())


def direct(x, weight, bias):
    return functional.conv1d(x.mT, weight.permute(1, 2, 0), bias, padding=1).mT


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 8, 37])
def test_equals_the_direct_convolution_with_its_gradients(length, threads, monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    torch.manual_seed(length)
    shapes = ((2, length, 7), (3, 5, 7), (5,))
    inputs = [torch.randn(s, dtype=torch.float64, requires_grad=True) for s in shapes]
    found, expected = conv3(*inputs), direct(*inputs)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    upstream = torch.randn_like(expected)
    for a, b in zip(
        torch.autograd.grad(found, inputs, upstream),
        torch.autograd.grad(expected, inputs, upstream),
        strict=True,
    ):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-11)


def test_rounding_in_single_precision_stays_near_the_direct_sum():
    torch.manual_seed(0)
    x, weight, bias = torch.randn(1, 64, 512), torch.randn(3, 64, 512) * 0.03, torch.zeros(64)
    exact = direct(x.double(), weight.double(), bias.double())
    assert (conv3(x, weight, bias) - exact).abs().max() < 2e-5 * exact.abs().max()


def test_only_large_single_precision_sequences_on_the_cpu_take_this_route():
    weight = torch.empty(3, 1024, 1024)
    large = torch.empty(2, 60, 1024)
    assert is_large(large, weight)
    assert not is_large(large.double(), weight.double())
    assert not is_large(torch.empty(1, 4, 1024), weight)
    assert not is_large(large, weight[:1])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert not is_large(large, weight)


def test_inputs_that_need_no_gradient_get_none():
    weight, bias = torch.randn(3, 2, 4, requires_grad=True), torch.zeros(2)
    conv3(torch.randn(1, 6, 4), weight, bias).sum().backward()
    assert weight.grad is not None and bias.grad is None
