import json

import numpy as np
import pytest
from textured_motion import sequence
from wstal.errors import WstalError
from wstal.flow import tvl1
from wstal.flow.algorithm import flow_algorithm
from wstal.flow.chunks import flow_chunks
from wstal.flow.quantize import encode

FRAMES = sequence(2, 40, 48)


def test_tvl1_with_the_recipes_parameters_and_all_of_them_recorded():
    recipe = {"algorithm": "tvl1", "backend": "auto", "params": {"warps": 2}}
    algorithm = flow_algorithm(recipe)
    np.testing.assert_array_equal(algorithm.flow(FRAMES), tvl1(FRAMES, warps=2))
    assert algorithm.attrs["backend"] == "cpu"
    assert algorithm.attrs["semantics"] == "opencv_cpu"
    recorded = json.loads(algorithm.attrs["params_json"])
    assert recorded["warps"] == 2
    assert recorded["lambda_"] == 0.15


def test_semantics_and_backend_are_passed_on():
    recipe = {"algorithm": "tvl1", "backend": "torch", "semantics": "opencv_cuda"}
    algorithm = flow_algorithm(recipe | {"params": {"warps": 1, "nscales": 1}})
    expected = tvl1(FRAMES, "torch", "opencv_cuda", warps=1, nscales=1)
    np.testing.assert_array_equal(algorithm.flow(FRAMES), expected)


def test_dis_is_labelled_as_such():
    algorithm = flow_algorithm({"algorithm": "dis", "params": {"preset": "fast"}})
    assert algorithm.attrs["algorithm"] == algorithm.attrs["semantics"] == "dis"
    assert algorithm.flow(FRAMES).shape == (1, 40, 48, 2)


def test_raft_is_asked_for_by_name_and_needs_weights():
    with pytest.raises(WstalError, match="weights"):
        flow_algorithm({"algorithm": "raft"}).flow(FRAMES)


def test_unknown_names_fail_before_any_video_is_read():
    with pytest.raises(WstalError, match="tvl1, dis, raft"):
        flow_algorithm({"algorithm": "farneback"})
    with pytest.raises(WstalError, match="no parameter 'warp'"):
        flow_algorithm({"algorithm": "tvl1", "params": {"warp": 3}})


def test_what_is_computed_as_a_tensor_is_encoded_to_the_same_codes():
    recipe = {"algorithm": "tvl1", "backend": "torch", "params": {"warps": 1, "nscales": 1}}
    algorithm = flow_algorithm(recipe)
    codes = np.concatenate(list(flow_chunks([FRAMES], algorithm.flow, bound=20)))
    expected = tvl1(FRAMES, "torch", warps=1, nscales=1)
    np.testing.assert_array_equal(codes, encode(expected, 20))


def test_a_gpu_is_given_more_pairs_at_a_time():
    assert flow_algorithm({"algorithm": "tvl1", "backend": "triton"}, device="cuda").pairs == 1024
    assert flow_algorithm({"algorithm": "dis"}).pairs == 64
