"""Minimal filtering over time equals the direct sums."""

import pytest
import torch
from torch.nn import functional as F
from wstal.nets.time_convolution import TimeConv3d, minimal_filter


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
