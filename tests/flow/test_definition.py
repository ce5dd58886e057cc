""""""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from wstal.base.errors import WstalError
from wstal.flow.codes import decode, encode
from wstal.flow.definition import TVL1Parameters, check_frames


def test_bytes_stay_and_fractions_are_scaled():
    codes = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    np.testing.assert_array_equal(check_frames(codes), codes.astype(np.float32))
    np.testing.assert_allclose(check_frames(codes / 255.0), codes, rtol=1e-6)


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (np.full((2, 8, 8), np.nan), "NaN"),
        (np.full((2, 8, 8), np.inf, np.float32), "infinity"),
        (np.zeros((2, 8, 8, 3), np.uint8), r"\[N, H, W\]"),
        (np.zeros((8, 8), np.uint8), r"\[N, H, W\]"),
        (np.zeros((0, 8, 8), np.uint8), "N >= 1"),
        (np.zeros((2, 2, 8), np.uint8), "at least 3x3"),
        (np.zeros((2, 8, 8), np.int32), "int32"),
    ],
)
def test_what_has_no_defined_flow_is_refused(frames, message):
    with pytest.raises(WstalError, match=message):
        check_frames(frames)


def test_defaults_are_those_of_opencv():
    theirs, ours = cv2.optflow.DualTVL1OpticalFlow_create(), TVL1Parameters()
    assert ours.tau == theirs.getTau()
    assert ours.lambda_ == theirs.getLambda()
    assert ours.theta == theirs.getTheta()
    assert ours.nscales == theirs.getScalesNumber()
    assert ours.warps == theirs.getWarpingsNumber()
    assert ours.epsilon == theirs.getEpsilon()
    assert ours.inner_iterations == theirs.getInnerIterations()
    assert ours.outer_iterations == theirs.getOuterIterations()
    assert ours.scale_step == theirs.getScaleStep()
    assert ours.gamma == theirs.getGamma()
    assert ours.median_filtering == theirs.getMedianFiltering()


@pytest.mark.parametrize(
    "params",
    [
        {"tau": 0}, {"theta": float("nan")}, {"scale_step": 1.0}, {"epsilon": -1}, {"nscales": 0},
        {"warps": 2.5}, {"median_filtering": 7}, {"lambda_": "0.15"},
    ],
)  # fmt: skip
def test_a_value_out_of_range_is_named(params):
    (name,) = params
    with pytest.raises(WstalError, match=f"{name} must be"):
        TVL1Parameters.of(**params)


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(WstalError, match=r"'lamda'.*lambda_"):
        TVL1Parameters.of(lamda=0.1)


def test_zero_and_bounds_have_their_own_codes():
    flow = np.array([0.0, 20.0, -20.0, 35.0, -np.inf, 1e-3], np.float32)
    np.testing.assert_array_equal(encode(flow, 20), [0, 127, -127, 127, -127, 0])
    np.testing.assert_allclose(decode(encode(flow, 20), 20)[:4], [0, 20, -20, 20], rtol=1e-6)


@given(st.floats(-20, 20), st.floats(0.5, 64))
def test_the_error_is_at_most_half_a_step_and_symmetric(value, bound):
    value = min(max(value, -bound), bound)
    flow = np.array([value, -value], np.float32)
    codes = encode(flow, bound)
    assert codes.dtype == np.int8
    assert codes[0] == -codes[1]
    assert abs(decode(codes, bound)[0] - value) <= bound / 127 / 2 * (1 + 1e-4)


def test_codes_survive_a_round_trip():
    codes = np.arange(-127, 128, dtype=np.int8)
    np.testing.assert_array_equal(encode(decode(codes, 20), 20), codes)


def test_nan_and_a_bound_of_zero_are_refused():
    with pytest.raises(WstalError, match="NaN"):
        encode(np.array([np.nan]), 20)
    with pytest.raises(WstalError, match="bound"):
        encode(np.zeros(1), 0)
    with pytest.raises(WstalError, match="bound"):
        decode(np.zeros(1, np.int8), float("nan"))


def test_a_tensor_is_encoded_alike():
    flow = np.random.default_rng(0).normal(size=(3, 40, 50, 2)).astype(np.float32) * 12
    codes = np.arange(-127, 127, dtype=np.float32) + 0.5  # ties
    for values in (flow, codes * np.float32(20 / 127)):
        found = encode(torch.from_numpy(values), 20)
        assert found.dtype == np.int8
        np.testing.assert_array_equal(found, encode(values, 20))
    with pytest.raises(WstalError, match="NaN"):
        encode(torch.tensor([float("nan")]), 20)
