"""Every backend against OpenCV's fields kept in tests/golden (made by make_tvl1_opencv.py)."""

import numpy as np
import pytest
from textured_motion import end_point_error
from wstal.flow import tvl1


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
