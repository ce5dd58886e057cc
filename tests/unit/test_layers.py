import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from wstal.models.layers import (
    AttentionUnit,
    TemporalConv,
    average_over_time,
    linear_as_centre_tap,
    windows,
)


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
        monkeypatch.setattr("wstal.models.layers.worthwhile", lambda *_: False)
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
    unit, x = AttentionUnit(6, 4), torch.randn(40, 50, 6)
    share = (unit.train()(x) == 0.5).float().mean().item()
    assert share == pytest.approx(0.5, abs=0.05)
    assert (unit.eval()(x) != 0.5).all()
    without = AttentionUnit(6, 4, logit_dropout=0).train()(x)
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
