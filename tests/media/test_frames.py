"""The door to frames: order, repeats, size, chunks, and files of the frames stage.

Gray and size against OpenCV's own functions.
"""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from decoded_videos import Probed, decode_frames
from video_clips import number_of, write_clip
from wstal.base.errors import MediaError, WstalError
from wstal.media import frames
from wstal.media.frame_stage import FrameSettings
from wstal.media.frames import open_frames, read_frames
from wstal.media.pictures import Converter, resized


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("clip") / "a.mp4", 40)


def test_skips_and_repeats_in_order(clip):
    index = np.array([0, 0, 3, 4, 4, 4, 30, 39, 39])
    for pixels, tail in (("rgb", (96, 160, 3)), ("gray", (96, 160))):
        chunks = list(read_frames(clip, index, pixels=pixels, chunk=4))
        assert [c.shape for c in chunks] == [(4, *tail), (4, *tail), (1, *tail)]
        assert chunks[0].dtype == np.uint8
        assert [number_of(p) for c in chunks for p in c] == index.tolist()


def test_short_side_and_gray_are_opencvs(clip):
    rgb = np.concatenate(list(read_frames(clip, np.arange(5))))
    gray = np.concatenate(list(read_frames(clip, np.arange(5), pixels="gray", short_side=64)))
    assert gray.shape == (5, 64, 107)
    for picture, small in zip(rgb, gray, strict=True):
        expected = cv2.resize(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), (107, 64))
        assert np.array_equal(small, expected)


def test_large_pictures_come_in_smaller_chunks(clip, monkeypatch):
    monkeypatch.setattr(frames, "CHUNK_BYTES", 3 * 96 * 160 * 3 + 1)
    sizes = [len(chunk) for chunk in read_frames(clip, np.arange(10))]
    assert sizes == [3, 3, 3, 1]


def test_nothing_asked_nothing_given(clip):
    assert list(read_frames(clip, np.zeros(0, np.int64))) == []


def test_wrong_orders_are_refused(clip):
    for index in ([3, 2], [-1, 0]):
        with pytest.raises(WstalError, match="never decrease"):
            next(read_frames(clip, np.array(index)))


def test_frames_that_do_not_come_are_an_error(clip):
    with pytest.raises(MediaError, match="gave 2 of 3 frames"):
        list(read_frames(clip, np.array([0, 39, 40])))


@pytest.mark.parametrize("cache", [False, True])
def test_open_frames_from_pixels_or_the_video(clip, tmp_path, cache):
    settings = FrameSettings(fps=12.5, cache_frames=cache)
    (record,) = decode_frames([Probed("a", clip)], tmp_path, settings)
    direct = np.concatenate(list(read_frames(clip, np.arange(0, 40, 2), short_side=64)))
    opened = list(open_frames(tmp_path / record.path, short_side=64, chunk=7))
    assert [len(chunk) for chunk in opened] == [7, 7, 6]
    assert np.array_equal(np.concatenate(opened), direct)
    gray = np.concatenate(list(open_frames(tmp_path / record.path, pixels="gray")))
    assert [number_of(p) for p in gray] == list(range(0, 40, 2))


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
