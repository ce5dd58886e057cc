"""Pooling in one pass is used where its kernel works on the device; where not, a warning says why."""

import pytest
import torch
from triton_device import DEVICE, MARKS
from wstal.nets import window_pool
from wstal.nets.window_pool import one_pass_works

pytestmark = MARKS


@pytest.fixture
def asked_anew():
    one_pass_works.cache_clear()
    yield
    one_pass_works.cache_clear()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_a_kernel_that_works_is_used(asked_anew, dtype, recwarn):
    pytest.importorskip("triton")
    assert one_pass_works(torch.device(DEVICE), dtype)
    assert not recwarn


@pytest.mark.parametrize(
    ("result", "reason"),
    [(RuntimeError("no such architecture"), "RuntimeError: no such"), (1.0, "wrong maxima")],
)
def test_a_kernel_that_fails_or_is_wrong_is_not_used(monkeypatch, asked_anew, result, reason):
    def broken(x, *_, **__):
        if isinstance(result, Exception):
            raise result
        return torch.full_like(x[:, :2, :3, :3], result)

    monkeypatch.setattr(window_pool, "window_max_pool", broken)
    with pytest.warns(UserWarning, match=f"several passes, slower: .*{reason}"):
        assert not one_pass_works(torch.device(DEVICE), torch.float32)
