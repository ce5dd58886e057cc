import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from wstal.errors import WstalError
from wstal.flow.quantize import decode, encode


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
