import base64

import numpy as np
import pytest
from wstal.viewer.series import column, curve, value_range


@pytest.mark.parametrize("kind", ["f4", "u2", "u1"])
def test_a_column_comes_back_as_little_endian_numbers(kind):
    values = np.array([0, 1, 200, 7])
    back = np.frombuffer(base64.b64decode(column(values, kind)), f"<{kind}")
    assert back.tolist() == values.tolist()


def test_a_curve_is_a_byte_a_value_and_off_by_half_a_step_at_most():
    values = np.random.default_rng(0).normal(size=500) * 3
    low, high = value_range([values])
    codes = np.frombuffer(base64.b64decode(curve(values, low, high)), np.uint8)
    assert len(codes) == 500
    assert np.abs(low + codes / 255 * (high - low) - values).max() <= (high - low) / 255 / 2 + 1e-9


def test_a_constant_curve_and_no_curves_have_a_range():
    assert np.frombuffer(base64.b64decode(curve(np.ones(3), 1, 1)), np.uint8).tolist() == [0, 0, 0]
    assert value_range([]) == (0.0, 1.0)
    assert value_range([np.array([0.2, 1.5])], 0.0, 1.0) == (0.0, 1.5)
