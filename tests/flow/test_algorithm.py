"""The flow that a recipe names, and the alternatives to TV-L1: DIS and RAFT."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from textured_motion import sequence, texture
from wstal.base.errors import WstalError
from wstal.flow import tvl1
from wstal.flow.algorithm import FlowSettings, dis, flow_algorithm, load_raft, raft
from wstal.flow.codes import decode, encode, flow_chunks
from wstal.flow.definition import TVL1Parameters, check_frames
from wstal.networks.torchvision_import import import_torchvision

FRAMES = sequence(2, 40, 48)


def test_tvl1_with_the_recipes_parameters_and_all_of_them_recorded():
    algorithm = flow_algorithm(FlowSettings(params={"warps": 2}))
    np.testing.assert_array_equal(algorithm.flow(FRAMES), tvl1(FRAMES, warps=2))
    assert algorithm.attrs["backend"] == "cpu"
    assert algorithm.attrs["semantics"] == "opencv_cpu"
    recorded = json.loads(algorithm.attrs["params_json"])
    assert recorded["warps"] == 2
    assert recorded["lambda_"] == 0.15


def test_semantics_and_backend_are_passed_on():
    params = {"warps": 1, "nscales": 1}
    settings = FlowSettings(backend="torch", semantics="opencv_cuda", params=params)
    algorithm = flow_algorithm(settings)
    expected = tvl1(FRAMES, "torch", "opencv_cuda", warps=1, nscales=1)
    np.testing.assert_array_equal(algorithm.flow(FRAMES), expected)


def test_dis_is_labelled_as_such():
    algorithm = flow_algorithm(FlowSettings("dis", params={"preset": "fast"}))
    assert algorithm.attrs["algorithm"] == algorithm.attrs["semantics"] == "dis"
    assert algorithm.flow(FRAMES).shape == (1, 40, 48, 2)


def test_raft_is_asked_for_by_name_and_needs_weights():
    with pytest.raises(WstalError, match="weights"):
        flow_algorithm(FlowSettings("raft")).flow(FRAMES)


def test_unknown_names_fail_before_any_video_is_read():
    with pytest.raises(WstalError, match="tvl1, dis, raft"):
        flow_algorithm(FlowSettings("farneback"))
    with pytest.raises(WstalError, match="no parameter 'warp'"):
        flow_algorithm(FlowSettings(params={"warp": 3}))


def test_what_is_computed_as_a_tensor_is_encoded_to_the_same_codes():
    settings = FlowSettings(backend="torch", params={"warps": 1, "nscales": 1})
    algorithm = flow_algorithm(settings)
    codes = np.concatenate(list(flow_chunks([FRAMES], algorithm.flow, bound=20)))
    expected = tvl1(FRAMES, "torch", warps=1, nscales=1)
    np.testing.assert_array_equal(codes, encode(expected, 20))


def test_a_gpu_is_given_more_pairs_at_a_time():
    assert flow_algorithm(FlowSettings(backend="triton"), device="cuda").pairs == 1024
    assert flow_algorithm(FlowSettings("dis")).pairs == 64


def test_a_shift_is_found_in_px_right_and_down():
    scene = texture(120, 140, 0).astype(np.uint8)
    frames = np.stack([scene[10:90, 20:120], scene[8:88, 17:117]])
    flow = dis(frames)[0, 20:-20, 20:-20]
    np.testing.assert_allclose(np.median(flow, (0, 1)), [3, 2], atol=0.1)


def test_what_it_cannot_do_is_refused():
    with pytest.raises(WstalError, match="preset"):
        dis(np.zeros((2, 32, 32), np.uint8), preset="slow")
    with pytest.raises(WstalError, match="16x16"):
        dis(np.zeros((2, 8, 32), np.uint8))


def test_pictures_are_padded_scaled_and_cropped_back():
    seen = []

    def network(first, second, num_flow_updates):
        seen.append((first, second, num_flow_updates))
        across = torch.arange(first.shape[3]).expand(1, 1, *first.shape[2:])
        return [None, torch.cat([across, -across], 1).float()]

    frames = np.zeros((3, 130, 137), np.uint8)
    frames[1:] = 255
    flow = raft(frames, network=network, iterations=5)
    assert flow.shape == (2, 130, 137, 2)
    np.testing.assert_array_equal(flow[0, 0, :, 0], np.arange(137))
    np.testing.assert_array_equal(flow[0, 0, :, 1], -np.arange(137))
    first, second, updates = seen[0]
    assert first.shape == second.shape == (1, 3, 136, 144)
    assert (first == -1).all() and (second == 1).all()
    assert updates == 5


def test_absent_weights_are_refused_with_the_place_to_get_them():
    with pytest.raises(WstalError, match="https://.*raft_small"):
        load_raft("", "raft_small", "cpu")
    with pytest.raises(WstalError, match="raft_large"):
        load_raft("", "raft_huge", "cpu")


def test_weights_are_loaded_and_used(tmp_path):
    torchvision = import_torchvision()
    torch.manual_seed(0)
    made = torchvision.models.optical_flow.raft_small(weights=None)
    torch.save(made.state_dict(), tmp_path / "raft.pth")
    network = load_raft(str(tmp_path / "raft.pth"), "raft_small", "cpu")
    assert not network.training
    flow = raft(np.zeros((2, 40, 50), np.uint8), network=network, iterations=1)
    assert flow.shape == (1, 40, 50, 2)
    assert np.isfinite(flow).all()


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
