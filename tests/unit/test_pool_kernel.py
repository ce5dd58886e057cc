"""The kernel's max pooling equals pooling axis by axis, bias and ReLU after it, bit for bit."""

import pytest
import torch
from triton_device import DEVICE, MARKS

pytest.importorskip("triton")

from wstal.nets.axis_pool import axis_max_pool
from wstal.nets.window_pool import window_max_pool

POOLS = [((1, 3, 3), (1, 2, 2)), ((3, 3, 3), (1, 1, 1)), ((3, 3, 3), (2, 2, 2))]
POOLS += [((2, 2, 2), (2, 2, 2)), ((5, 2, 4), (1, 2, 3))]
pytestmark = MARKS


def values(*shape, dtype=torch.float32):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    return x.to(dtype).to(DEVICE)


@pytest.mark.parametrize(("kernel", "stride"), POOLS)
@pytest.mark.parametrize("shape", [(4, 6, 5, 16), (3, 5, 7, 3), (2, 4, 1, 5), (1, 1, 2, 80)])
class TestEqual:
    def test_pooling_alone(self, shape, kernel, stride):
        x = values(2, *shape) - 3  # few positive values: the border must not win
        before = x.clone()
        found = window_max_pool(x, kernel, stride)
        assert torch.equal(found, axis_max_pool(x, (1, 2, 3), kernel, stride))
        assert found.is_contiguous() and torch.equal(x, before)

    def test_with_bias_and_relu_in_half_precision(self, shape, kernel, stride):
        x = values(2, *shape, dtype=torch.float16)
        bias = values(shape[-1], dtype=torch.float16)
        found = window_max_pool(x, kernel, stride, bias, rectify=True)
        pooled = axis_max_pool(x, (1, 2, 3), kernel, stride)
        assert torch.equal(found, (pooled + bias).relu())
        assert (found == 0).any()


def test_any_memory_layout_goes_in_and_nan_comes_out():
    x = values(1, 2, 4, 4, 16)
    x[0, 0, 1, 1, 3] = torch.nan
    wanted = axis_max_pool(x, (1, 2, 3), (2, 2, 2), (2, 2, 2))
    turned = x.permute(0, 4, 1, 2, 3).contiguous().permute(0, 2, 3, 4, 1)
    found = window_max_pool(turned, (2, 2, 2), (2, 2, 2))
    assert found.isnan().sum() == 1
    torch.testing.assert_close(found, wanted, rtol=0, atol=0, equal_nan=True)
