import numpy as np
import pytest
from textured_motion import texture
from wstal.errors import WstalError
from wstal.flow.dis import dis


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
