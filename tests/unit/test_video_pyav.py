"""The default backend on good and damaged files, with OpenCV's decoder as the oracle."""

from fractions import Fraction

import cv2
import numpy as np
import pytest
from video_clips import number_of, rotate_header, write_clip
from wstal.errors import MediaError
from wstal.video.pyav import pictures, scan


def opencv_pictures(path):
    capture = cv2.VideoCapture(str(path))
    while (read := capture.read())[0]:
        yield cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB)


@pytest.mark.parametrize("pixels", ["yuv420p", "yuv422p", "yuv444p"])
def test_pictures_are_opencvs_to_the_bit(tmp_path, pixels):
    path = write_clip(tmp_path / "a.mp4", 30, pixels=pixels)
    ours = list(pictures(path, np.arange(30), np.array))
    assert [number_of(picture) for picture in ours] == list(range(30))
    assert np.array_equal(ours, list(opencv_pictures(path)))


def test_full_range_is_not_stretched_twice(tmp_path):
    path = write_clip(tmp_path / "a.mp4", 5, full_range=True)
    ours = list(pictures(path, np.arange(5), np.array))
    assert np.array_equal(ours, list(opencv_pictures(path)))


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_rotation_is_applied(tmp_path, degrees):
    path = rotate_header(write_clip(tmp_path / "a.mp4", 5), degrees)
    found = scan(path)
    assert found.rotation == -degrees % 360
    ours = list(pictures(path, np.arange(5), np.array))
    assert ours[0].shape == (found.height, found.width, 3)
    assert np.array_equal(ours, list(opencv_pictures(path)))


def test_real_clips_give_opencvs_pictures(reference):
    for name in (
        "BjCEufrlXm4.mp4",
        "v_GGSY1Qvo990.mp4",
        "pose_squats.mp4",
        "v_Archery_g03_c03.avi",
    ):
        path = reference / "data" / "videos" / name
        expected = list(opencv_pictures(path))
        wanted = np.arange(0, len(expected), 20)
        ours = pictures(path, wanted, np.array)
        for index, picture in zip(wanted, ours, strict=True):
            assert np.array_equal(picture, expected[index]), (name, index)


def test_scan_measures(tmp_path):
    found = scan(write_clip(tmp_path / "a.mp4", 24, rate=Fraction(12), sound=np.zeros((1, 32000))))
    assert np.allclose(found.pts - found.pts[0], np.arange(24) / 12)
    assert (found.width, found.height, found.expected, found.rate) == (160, 96, 24, 12)
    assert found.audio
    assert not found.faults


def test_a_file_cut_short_keeps_its_frames_and_says_so(tmp_path):
    whole = write_clip(tmp_path / "a.mkv", 250)
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    found = scan(cut)
    assert 50 < len(found.pts) < 240
    assert any("cut short" in fault for fault in found.faults)
    last = list(pictures(cut, np.array([0, len(found.pts) - 1]), np.array))[-1]
    assert number_of(last) == len(found.pts) - 1


def test_what_holds_no_video_is_an_error_that_names_it(tmp_path):
    mp4 = write_clip(tmp_path / "a.mp4", 60)
    (tmp_path / "cut.mp4").write_bytes(mp4.read_bytes()[:3000])  # the index is at the end
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "text.avi").write_text("not a video\n" * 100)
    for path in [*map(tmp_path.joinpath, ("cut.mp4", "empty.mp4", "text.avi", "no.mp4")), tmp_path]:
        with pytest.raises(MediaError) as error:
            scan(path)
        assert str(path) in str(error.value)


def test_damaged_bytes_never_escape_as_another_error(tmp_path):
    rng = np.random.default_rng(0)
    for suffix, codec in ((".mp4", "libx264"), (".mkv", "libx264"), (".avi", "mpeg4")):
        data = write_clip(tmp_path / f"a{suffix}", 60, codec=codec).read_bytes()
        told = 0
        for trial in range(12):
            bad = bytearray(data)
            for place in rng.integers(len(bad), size=3 + trial * 4):
                bad[place] ^= 1 << int(rng.integers(8))
            path = tmp_path / f"bad{suffix}"
            path.write_bytes(bad)
            try:
                told += bool(scan(path).faults)
            except MediaError:
                told += 1
        assert told, suffix
