"""Gray and size against OpenCV's own functions."""

import cv2
import numpy as np
import pytest
from wstal.errors import WstalError
from wstal.video.pictures import Converter, resized

PICTURE = np.random.default_rng(0).integers(0, 256, (90, 160, 3), np.uint8)


def test_short_side_up_and_down():
    assert resized(320, 180, 256) == (455, 256)
    assert resized(180, 320, 256) == (256, 455)
    assert resized(1280, 720, 256) == (455, 256)
    assert resized(340, 256, 256) == (340, 256)
    assert resized(300, 300, 256) == (256, 256)
    assert resized(320, 180, None) == (320, 180)


def test_gray_is_opencv_gray_then_resized():
    bgr = PICTURE[..., ::-1].copy()
    gray = cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY)
    assert np.array_equal(Converter("gray", None, "bilinear")(PICTURE), gray)
    small = cv2.resize(gray, (107, 60), interpolation=cv2.INTER_LINEAR)
    assert np.array_equal(Converter("gray", 60, "bilinear")(PICTURE), small)


def test_interpolations_differ_and_keep_colour():
    results = [Converter("rgb", 60, name)(PICTURE) for name in ("bilinear", "bicubic", "area")]
    assert {r.shape for r in results} == {(60, 107, 3)}
    assert not np.array_equal(results[0], results[1])
    assert not np.array_equal(results[0], results[2])


def test_later_pictures_take_the_size_of_the_first():
    convert = Converter("rgb", 60, "bilinear")
    assert convert(PICTURE).shape == convert(PICTURE[:50, :50]).shape


@pytest.mark.parametrize(("pixels", "name"), [("luma", "bilinear"), ("rgb", "lanczos9")])
def test_unknown_wishes_are_refused_by_name(pixels, name):
    with pytest.raises(WstalError, match="luma|lanczos9"):
        Converter(pixels, 60, name)
