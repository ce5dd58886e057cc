"""A GPU whose Triton flow is wrong, or does not come about, is known before it is used."""

import sys
from types import ModuleType

import numpy as np
import pytest
import torch
from wstal.flow import resolve_backend, self_check, tvl1_torch, tvl1_triton
from wstal.flow.parameters import TVL1Parameters
from wstal.flow.self_check import SHIFT, moving_texture, triton_trouble


@pytest.fixture
def gpu(monkeypatch):
    """A pretended GPU: the torch backend on the CPU, and as Triton's flow what a test gives."""
    real = tvl1_torch.tvl1_torch
    module = ModuleType("triton")
    module.__version__ = "3.1.0"
    monkeypatch.setitem(sys.modules, "triton", module)

    def on_cpu(frames, parameters, semantics, device):
        return real(frames, parameters, semantics, device="cpu")

    monkeypatch.setattr(tvl1_torch, "tvl1_torch", on_cpu)

    def with_flow(change):
        def triton(frames, parameters, semantics, device):
            return change(on_cpu(frames, parameters, semantics, device))

        monkeypatch.setattr(tvl1_triton, "tvl1_triton", triton)
        triton_trouble.cache_clear()

    yield with_flow
    triton_trouble.cache_clear()


def test_the_trial_pair_moves_as_it_says():
    flow = tvl1_torch.tvl1_torch(moving_texture(), TVL1Parameters(), "opencv_cpu")[0]
    inside = flow[12:-12, 12:-12].reshape(-1, 2).median(0).values
    np.testing.assert_allclose(inside, SHIFT, atol=0.1)


def test_a_gpu_that_agrees_is_used(gpu):
    gpu(lambda flow: flow + 0.01)
    assert triton_trouble("cuda", "opencv_cpu") == ""
    assert resolve_backend(device="cuda").name == "triton"


@pytest.mark.parametrize("change", [lambda f: f + 0.1, lambda f: f * torch.nan, torch.zeros_like])
def test_a_gpu_that_differs_is_not_and_the_record_says_why(gpu, change):
    gpu(change)
    with pytest.warns(UserWarning, match="by torch, a hundred times slower"):
        chosen = resolve_backend(device="cuda")
    assert chosen.name == "torch" and "px off the torch backend's" in chosen.reason


def test_what_fails_to_compile_is_a_reason(gpu):
    def broken(flow):
        raise RuntimeError("no PTX for this device")

    gpu(broken)
    with pytest.warns(UserWarning, match="by torch, a hundred times slower"):
        reason = resolve_backend(device="cuda").reason
    assert "Triton 3.1.0 (3.4 or newer is needed)" in reason and "RuntimeError: no PTX" in reason
    assert self_check.TOLERANCE <= 0.05
