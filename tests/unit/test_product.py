import pytest
import torch
from torch.nn import functional
from wstal.models import product as module


@pytest.mark.parametrize("onednn", [True, False])
def test_large_products_equal_the_usual_layer_with_gradients(onednn, monkeypatch):
    monkeypatch.setattr(module, "ONEDNN", onednn and module.ONEDNN)
    monkeypatch.setattr(module, "LARGE", 0)
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
