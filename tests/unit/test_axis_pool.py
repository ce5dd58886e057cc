"""Pooling by whole-tensor maxima equals torch's pooling, bit for bit."""

import pytest
import torch
from wstal.nets.axis_pool import axis_max_pool
from wstal.nets.same_padding import SameMaxPool3d

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
