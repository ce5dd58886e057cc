"""The door to frames: order, repeats, size, chunks, and files of the frames stage."""

import cv2
import numpy as np
import pytest
from video_clips import number_of, write_clip
from wstal.errors import MediaError, WstalError
from wstal.video import frames
from wstal.video.frames import open_frames, read_frames
from wstal.video.probed import ProbedVideo
from wstal.video.stage import decode_frames


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
    recipe = {"fps": 12.5, "decoder": "pyav", "cache_frames": cache}
    video = ProbedVideo("a", clip, "0" * 64, "ok", "")
    (record,) = decode_frames([video], tmp_path, recipe, "code")
    direct = np.concatenate(list(read_frames(clip, np.arange(0, 40, 2), short_side=64)))
    opened = list(open_frames(tmp_path / record.path, short_side=64, chunk=7))
    assert [len(chunk) for chunk in opened] == [7, 7, 6]
    assert np.array_equal(np.concatenate(opened), direct)
    gray = np.concatenate(list(open_frames(tmp_path / record.path, pixels="gray")))
    assert [number_of(p) for p in gray] == list(range(0, 40, 2))
