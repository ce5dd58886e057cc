"""Timelines of constant, variable, slow, damaged and timeless files."""

from fractions import Fraction

import numpy as np
import pytest
from video_clips import number_of, write_clip
from wstal.errors import MediaError, WstalError
from wstal.video.frames import read_frames
from wstal.video.timeline import timeline


@pytest.mark.parametrize(
    "rate", [Fraction(30000, 1001), Fraction(981, 50), Fraction(12), Fraction(24), Fraction(5)]
)
def test_constant_rates(tmp_path, rate):
    line = timeline(write_clip(tmp_path / "a.mp4", 40, rate=rate), 25)
    assert line.duration == pytest.approx(40 / float(rate), abs=1e-4)
    assert line.fps == pytest.approx(float(rate), rel=1e-4)
    expected = [min(range(40), key=lambda i: (abs(i / rate - Fraction(k, 25)), i))
                for k in range(-(-40 * 25 * rate.denominator // rate.numerator))]  # fmt: skip
    assert line.frame_index.tolist() == expected
    assert (line.status, line.reason, line.gaps) == ("ok", "", 0)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_variable_rate_is_placed_by_time_not_by_count(tmp_path, suffix):
    times = [i / 50 if i < 50 else 1 + (i - 50) * 0.06 for i in range(100)]
    line = timeline(write_clip(tmp_path / f"a{suffix}", 100, times=times), 25)
    assert np.allclose(line.times, times, atol=6e-4)
    assert line.frame_index[:25].tolist() == list(range(0, 50, 2))
    late = line.frame_index[26:]
    at = np.array(times)[late]
    assert np.abs(at - np.arange(26, 26 + len(late)) / 25).max() <= 0.0306


def test_pictures_stand_at_their_second(tmp_path):
    path = write_clip(tmp_path / "a.mp4", 60, rate=Fraction(30))
    line = timeline(path, 25)
    read = [number_of(p) for chunk in read_frames(path, line.frame_index) for p in chunk]
    assert read == line.frame_index.tolist()


def test_a_raw_stream_without_times_runs_at_its_rate(tmp_path):
    path = write_clip(tmp_path / "a.h264", 40, container="h264", options={"bf": "0"})
    line = timeline(path, 25)
    assert line.frames == 40
    assert line.clock in ("rate", "dts", "repaired pts")
    assert np.allclose(line.times, np.arange(40) / 25)


def test_the_header_is_not_believed(tmp_path):
    whole = write_clip(tmp_path / "a.mkv", 250)
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    line = timeline(cut, 25)
    assert line.status == "partial"
    assert "cut short" in line.reason
    assert line.duration == pytest.approx(line.frames / 25)
    assert len(line.frame_index) == line.frames < 200


def test_lost_frames_leave_a_gap_that_is_named(tmp_path):
    times = [i / 25 + (4.5 if i >= 30 else 0) for i in range(60)]
    line = timeline(write_clip(tmp_path / "a.mp4", 60, times=times), 25)
    assert (line.status, line.gaps) == ("partial", 1)
    assert "1 gaps between frames, the longest 4.54 s" in line.reason
    assert line.duration == pytest.approx(2.4 + 4.5, abs=1e-3)
    assert set(line.frame_index[32:80]) == {29}


def test_real_clips(reference):
    folder = reference / "data" / "videos"
    squats = timeline(folder / "pose_squats.mp4", 25)
    assert (squats.width, squats.height, squats.frames) == (720, 1280, 65)
    assert squats.frame_index.tolist()[:8] == [0, 0, 0, 1, 1, 1, 1, 1]
    assert timeline(folder / "v_GGSY1Qvo990.mp4", 25).fps == pytest.approx(19.62, abs=1e-3)
    packed = timeline(next(folder.glob("hmdb51*.avi")), 25)
    assert packed.clock == "dts"
    assert np.allclose(packed.times, np.arange(83) / 30)
    bad = timeline(folder / "corrupted.mp4", 25)
    assert bad.status == "partial"
    assert "49 of 50 announced frames decoded" in bad.reason


def test_errors(tmp_path):
    with pytest.raises(MediaError, match="absent.mp4"):
        timeline(tmp_path / "absent.mp4", 25)
    with pytest.raises(WstalError, match="gstreamer"):
        timeline(write_clip(tmp_path / "a.mp4", 3), 25, "gstreamer")
