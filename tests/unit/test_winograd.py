import pytest
import torch
from torch.nn import functional
from wstal.models.winograd import conv3, worthwhile


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
    assert worthwhile(large, weight)
    assert not worthwhile(large.double(), weight.double())
    assert not worthwhile(torch.empty(1, 4, 1024), weight)
    assert not worthwhile(large, weight[:1])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert not worthwhile(large, weight)


def test_inputs_that_need_no_gradient_get_none():
    weight, bias = torch.randn(3, 2, 4, requires_grad=True), torch.zeros(2)
    conv3(torch.randn(1, 6, 4), weight, bias).sum().backward()
    assert weight.grad is not None and bias.grad is None
