import numpy as np
import pytest
from wstal.errors import WstalError
from wstal.flow.frames import check_frames


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
