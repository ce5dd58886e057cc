"""The reference backend is OpenCV itself, called with its own defaults."""

import cv2
import numpy as np
import pytest
from textured_motion import sequence
from wstal.errors import WstalError
from wstal.flow import tvl1


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
