"""Branches joined in one pass equal sums, ReLU and concatenation, bit for bit."""

import pytest
import torch
from triton_device import DEVICE, MARKS

pytest.importorskip("triton")

from wstal.nets import branch_join
from wstal.nets.branch_join import join_branches, join_works

pytestmark = MARKS


def values(*shape, dtype):
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randn(shape, generator=generator).to(dtype).to(DEVICE)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("sizes", [(64, 128, 32, 32), (208, 8, 24, 48), (320,)])
def test_equal_to_the_operations(sizes, dtype):
    parts = [values(2, 3, 5, 7, size, dtype=dtype) for size in sizes]
    biases = [values(size, dtype=dtype) if n % 2 else None for n, size in enumerate(sizes)]
    parts[0][0, 0, 0, 0, 0] = torch.nan
    before = [part.clone() for part in parts]
    found = join_branches(parts, biases)
    shifted = [p if b is None else p + b for p, b in zip(parts, biases, strict=True)]
    expected = torch.cat(shifted, -1).relu()
    torch.testing.assert_close(found, expected, rtol=0, atol=0, equal_nan=True)
    assert found.isnan().sum() == 1 and found.is_contiguous()
    assert all(
        torch.equal(part.nan_to_num(), kept.nan_to_num())
        for part, kept in zip(parts, before, strict=True)
    )


def test_any_memory_layout_goes_in():
    part = values(1, 2, 4, 4, 16, dtype=torch.float32)
    turned = part.permute(0, 4, 1, 2, 3).contiguous().permute(0, 2, 3, 4, 1)
    assert torch.equal(join_branches([turned, part], [None, None])[..., :16], part.relu())


@pytest.fixture
def asked_anew():
    join_works.cache_clear()
    yield
    join_works.cache_clear()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_a_kernel_that_works_is_used(asked_anew, dtype, recwarn):
    assert join_works(torch.device(DEVICE), dtype)
    assert not recwarn


def test_a_kernel_that_is_wrong_is_not_used(monkeypatch, asked_anew):
    def unshifted(parts, biases):
        return torch.cat(parts, -1).relu()

    monkeypatch.setattr(branch_join, "join_branches", unshifted)
    with pytest.warns(UserWarning, match="several passes, slower: .*wrong sums"):
        assert not join_works(torch.device(DEVICE), torch.float32)
