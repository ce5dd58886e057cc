"""The choice of a backend, and every backend against OpenCV's fields.

Those are in tests/golden (made by make_tvl1_opencv.py). A GPU on which Triton gives wrong flow, or
none, is recognised before it is used.
"""

from __future__ import annotations

import sys
from types import ModuleType

import cv2
import numpy as np
import pytest
import torch
from textured_motion import end_point_error, sequence
from triton_device import DEVICE, MARKS
from wstal.base.errors import WstalError
from wstal.flow import resolve_backend, tvl1
from wstal.flow.definition import TVL1Parameters
from wstal.flow.tvl1_backends import backend
from wstal.flow.tvl1_backends import torch as tvl1_torch
from wstal.flow.tvl1_backends import triton as tvl1_triton
from wstal.flow.tvl1_backends.backend import SHIFT, moving_texture, triton_trouble
from wstal.flow.tvl1_backends.triton import FEW, Rounds, power


@pytest.fixture
def no_compiler(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    backend._compiler_trouble.cache_clear()
    from wstal.flow.tvl1_backends.cpu import load_library

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
        trouble = (lambda device, semantics: "") if there else triton_trouble
        monkeypatch.setattr(backend, "triton_trouble", trouble)
        triton_trouble.cache_clear()

    yield pretend
    triton_trouble.cache_clear()


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
    assert backend.TOLERANCE <= 0.05


@pytest.fixture(scope="module")
def golden(project):
    with np.load(project / "tests/golden/tvl1_opencv.npz") as arrays:
        return dict(arrays)


BACKENDS = ["cpu", "opencv", "torch", pytest.param("triton", marks=pytest.mark.gpu)]


@pytest.mark.parametrize("backend", BACKENDS)
def test_one_scale_one_warp_is_opencvs_field(golden, backend):
    flow = tvl1(golden["frames"][:3], backend, nscales=1, warps=1)
    assert end_point_error(flow, golden["one_scale"]).mean() < 1e-5


@pytest.mark.parametrize("backend", BACKENDS)
def test_full_defaults_are_opencvs_field(golden, backend):
    error = end_point_error(tvl1(golden["frames"], backend), golden["full"].astype(np.float32))
    assert error.mean() < 0.05
    assert np.median(error) < 0.03
    assert np.abs(golden["full"]).max() > 1  # there is motion to be right about


def test_defaults_are_opencvs_own():
    frames = sequence(3, 40, 56)
    solver = cv2.optflow.DualTVL1OpticalFlow_create()
    expected = [solver.calc(a, b, None) for a, b in zip(frames, frames[1:], strict=False)]
    np.testing.assert_array_equal(tvl1(frames, "opencv"), expected)


def test_floating_point_frames_lie_between_0_and_1():
    frames = sequence(2, 40, 56)
    same = tvl1(frames / np.float32(255), "opencv", nscales=1, warps=1)
    np.testing.assert_allclose(same, tvl1(frames, "opencv", nscales=1, warps=1), atol=1e-3)


def test_a_small_video_does_not_shorten_the_pyramid_of_the_next():
    large = sequence(2, 64, 80)
    before = tvl1(large, "opencv")
    tvl1(sequence(2, 17, 17), "opencv")
    np.testing.assert_array_equal(tvl1(large, "opencv"), before)


def test_cuda_semantics_are_refused():
    with pytest.raises(WstalError, match="opencv_cuda"):
        tvl1(sequence(2, 32, 32), "opencv", "opencv_cuda")


pytestmark = MARKS


def ran(lefts, plan, pairs=100, late=False):
    """The launches `(iterations, slots)` where so many pairs are left after each, and the result."""
    left, launches = torch.full((1,), -1, device=DEVICE), []
    after = iter(lefts)

    def launch(iterations, slots):
        launches.append((iterations, slots))
        left.fill_(next(after))

    rounds = Rounds(left, pairs, graphs=False)
    if late and not left.is_cuda:
        seen = []
        rounds._left = lambda number: (seen.append(int(left)), seen[-2] if number else None)[1]
    return rounds.run(launch, plan), launches


@pytest.mark.skipif(DEVICE == "cuda", reason="a GPU's look is a round late")
def test_as_many_are_launched_as_go_on_and_none_after_the_last():
    result, launches = ran([60, 33, 17, 0], [30] * 6)
    assert launches == [(30, 100), (30, 64), (30, 64), (30, 32)] and result == 0


def test_a_late_look_launches_more_never_fewer():
    result, launches = ran([40, 12, 3, 0, 0], [30] * 6, late=True)
    assert launches == [(30, 100), (30, 100), (30, 64), (30, 16), (30, FEW)] and result == 0


def test_those_that_go_on_after_the_plan_are_counted():
    assert ran([90, 80], [30, 10], late=True) == (100, [(30, 100), (10, 100)])


@pytest.mark.parametrize(("number", "least"), [(1, 1), (2, 2), (3, 4), (64, 64), (65, 128)])
def test_power(number, least):
    assert power(number) == least
