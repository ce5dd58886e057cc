"""Padding follows TensorFlow's rule, and the layers equal a naive computation with it."""

import math

import pytest
import torch
from torch.nn import functional as F
from wstal.nets.same_padding import SameConv3d, SameMaxPool3d, same_padding


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
