"""Pictures turned upright."""

import cv2
import numpy as np
import pytest
from wstal.video.rotation import quarter_turns, turned_size, upright

PICTURE = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
OPENCV = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}


@pytest.mark.parametrize("degrees", [90, 180, 270, -90, -180])
def test_turns_counter_clockwise_as_opencv(degrees):
    turned = upright(PICTURE, degrees)
    assert np.array_equal(turned, cv2.rotate(PICTURE, OPENCV[degrees % 360]))
    assert turned.flags.c_contiguous
    assert turned_size(3, 2, degrees) == turned.shape[1::-1]


def test_upright_pictures_are_not_touched():
    assert upright(PICTURE, 0) is PICTURE
    assert [quarter_turns(d) for d in (0, 360, 89.9, -90, 450)] == [0, 0, 1, 3, 1]
