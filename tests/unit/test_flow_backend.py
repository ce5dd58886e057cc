"""Which backend is chosen, that the choice is told, and what tvl1 refuses."""

import sys
from types import ModuleType

import numpy as np
import pytest
from wstal.errors import WstalError
from wstal.flow import backend, resolve_backend, self_check, tvl1
from wstal.flow.parameters import TVL1Parameters


@pytest.fixture
def no_compiler(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    backend._compiler_trouble.cache_clear()
    from wstal.flow.shared_library import load_library

    load_library.cache_clear()
    yield
    backend._compiler_trouble.cache_clear()


def test_auto_is_the_compiled_backend():
    assert resolve_backend().name == "cpu"
    assert resolve_backend("auto", "opencv_cuda").name == "cpu"


def test_without_a_compiler_auto_warns_and_says_why(no_compiler):
    with pytest.warns(UserWarning, match="no C\\+\\+ compiler"):
        chosen = resolve_backend()
    assert chosen.name == "opencv"
    assert "no C++ compiler" in chosen.reason
    with pytest.warns(UserWarning):
        assert resolve_backend("auto", "opencv_cuda").name == "torch"


def test_illumination_goes_to_a_backend_that_has_it():
    chosen = resolve_backend("auto", "opencv_cpu", TVL1Parameters(gamma=0.1))
    assert chosen.name == "opencv"
    assert "gamma" in chosen.reason


@pytest.fixture
def with_triton(monkeypatch):
    """Let Triton be installed and right on every GPU, or not installed."""

    def pretend(there):
        monkeypatch.setitem(sys.modules, "triton", ModuleType("triton") if there else None)
        self_check.triton_trouble.cache_clear()
        if there:
            monkeypatch.setattr(backend, "triton_trouble", lambda device, semantics: "")
        else:
            monkeypatch.setattr(backend, "triton_trouble", self_check.triton_trouble)

    yield pretend
    self_check.triton_trouble.cache_clear()


def test_on_a_gpu_auto_is_triton_or_says_why_not(with_triton):
    with_triton(True)
    assert resolve_backend("auto", "opencv_cuda", device="cuda:1").name == "triton"
    chosen = resolve_backend("auto", "opencv_cpu", TVL1Parameters(gamma=0.1), "cuda")
    assert chosen.name == "torch"
    assert "gamma" in chosen.reason
    with_triton(False)
    chosen = resolve_backend(device="cuda")
    assert chosen.name == "torch"
    assert "Triton cannot be imported" in chosen.reason


def test_triton_asked_for_without_it_is_refused(with_triton):
    with_triton(False)
    with pytest.raises(WstalError, match="install triton"):
        tvl1(np.zeros((2, 20, 20), np.uint8), "triton")


def test_a_named_backend_is_never_replaced(no_compiler):
    assert resolve_backend("cpu").name == "cpu"
    with pytest.raises(WstalError, match="compiler"):
        tvl1(np.zeros((2, 20, 20), np.uint8), "cpu")


def test_unknown_names_are_refused_with_the_known_ones():
    frames = np.zeros((2, 20, 20), np.uint8)
    with pytest.raises(WstalError, match="auto, cpu"):
        tvl1(frames, "cuda")
    with pytest.raises(WstalError, match="opencv_cpu"):
        tvl1(frames, "cpu", "denseflow")
    with pytest.raises(WstalError, match="nscales"):
        tvl1(frames, "cpu", scales=3)


@pytest.mark.parametrize("name", ["cpu", "opencv", "torch"])
def test_one_frame_has_no_flow(name):
    flow = tvl1(np.zeros((1, 20, 24), np.uint8), name)
    assert flow.shape == (0, 20, 24, 2)
    assert flow.dtype == np.float32
