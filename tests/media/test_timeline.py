"""Times of frames from good, disordered, partial and absent timestamps.

Timelines of constant, variable, slow, damaged and timeless files.

The time grid against its definition, spelled out slowly.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from video_clips import number_of, write_clip
from wstal.base.errors import MediaError, WstalError
from wstal.media.frames import read_frames, read_timeline
from wstal.media.scan import Scan
from wstal.media.timeline import (
    Clock,
    frame_count,
    frame_grid,
    frame_step,
    frame_times,
    gaps,
    lay_grid,
    snippet_count,
)

NAN = np.nan
ABSENT = np.full(6, NAN)


def test_stored_times_are_kept_from_the_first_frame_on():
    pts = np.array([1.0, 1.02, 1.08, 1.1, 1.16, 1.18])
    times, source = frame_times(pts, ABSENT, 25)
    assert source == "pts"
    assert np.allclose(times, pts - 1)


def test_millisecond_rounding_of_a_constant_rate_is_undone():
    times, _ = frame_times(np.round(np.arange(300) / 30, 3), np.full(300, NAN), 30)
    assert np.array_equal(times, np.arange(300) / 30)


def test_decoding_times_stand_in_for_display_times_out_of_order():
    pts = np.array([1, 4, 3, 6, 5, 7]) / 25
    dts = np.array([2, 3, 4, 5, 6, NAN]) / 25
    times, source = frame_times(pts, dts, 25)
    assert source == "dts"
    assert np.allclose(times, np.arange(6) / 25)


def test_no_times_at_all_fall_back_to_the_rate():
    times, source = frame_times(ABSENT, ABSENT, 12.5)
    assert source == "rate"
    assert np.allclose(times, np.arange(6) / 12.5)
    assert np.allclose(frame_times(ABSENT, ABSENT, 0)[0], np.arange(6) / 25)


def test_missing_times_are_interpolated():
    times, source = frame_times(np.array([NAN, 0.1, NAN, NAN, 0.4, NAN]), ABSENT, 0)
    assert source == "repaired pts"
    assert np.allclose(np.diff(times)[1:4], 0.1)
    assert (np.diff(times) > 0).all()


def play(clock: Clock, packets: list[tuple[int, float]]) -> list[float]:
    """Return the seconds of packets (stream, second) of 0.04 s on the clock, to the millisecond."""
    return [round(at + clock.offset(stream, at, 0.04), 3) for stream, at in packets]


def together(*seconds: float) -> list[tuple[int, float]]:
    return [(stream, second) for second in seconds for stream in (0, 1)]


PART = (5.0, 5.04, 5.08)
ON = [5.12, 5.12, 5.16, 5.16]  # where the next part follows


@pytest.mark.parametrize(
    ("second", "settings", "expected"),
    [
        ((1.0, 1.04), {}, ON),  # restarted
        ((1.0, 1.04), {"restarts": True}, ON),
        ((90.0, 90.04), {"restarts": True}, ON),  # joined
        ((90.0, 90.04), {}, [90, 90, 90.04, 90.04]),  # silent
        ((12.0, 12.04), {"restarts": True}, [12, 12, 12.04, 12.04]),
        ((90.0, 90.04), {"end": 30.0}, ON),  # beyond what the header states
        ((90.0, 90.04), {"end": 95.0}, [90, 90, 90.04, 90.04]),
        ((95e3, 95e3 + 0.04), {}, ON),  # no picture stays for a day
        ((40e3, 40e3 + 0.04), {}, [4e4, 4e4, 40000.04, 40000.04]),  # but for 11 hours
        ((4.5, 4.54), {}, [4.5, 4.5, 4.54, 4.54]),  # disorder, not a restart
    ],
)
def test_jumps_of_the_clock(second, settings, expected):
    clock = Clock(2, **settings)
    assert play(clock, together(*PART, *second))[-4:] == pytest.approx(expected)
    assert clock.restarts == (expected == ON)


def test_sound_takes_the_offset_of_the_pictures_when_it_comes_to_the_jump():
    clock = Clock(2, restarts=True)
    play(clock, together(*PART))
    assert clock.is_undecided(1, 1.0)
    assert play(clock, [(0, 1.0), (1, 5.12), (1, 0.98), (0, 1.04)]) == [5.12, 5.12, 5.10, 5.16]
    assert not clock.is_undecided(1, 1.02)
    assert clock.restarts == 1


def test_silent_pictures_beside_sound_are_no_jump():
    clock = Clock(2, restarts=True)
    sound = [(1, 0.04 * k) for k in range(1000)]
    assert play(clock, [(0, 0.0), *sound, (0, 39.9)])[-1] == 39.9
    assert not clock.restarts


def test_one_stream_alone_may_be_silent():
    assert play(Clock(1, restarts=True), [(0, 0.0), (0, 700.0)]) == [0, 700]


@pytest.mark.parametrize("damaged", [[9.0], [9.0, 9.04, 9.08]])
def test_the_clock_goes_on_after_damaged_times(damaged):
    seconds = [*PART, *damaged, *(5.0 + 0.04 * k for k in range(3 + len(damaged), 12))]
    played = play(Clock(1), [(0, second) for second in seconds])
    assert played == pytest.approx(seconds)
    times, source = frame_times(np.array(played), np.full(len(played), NAN), 24)
    assert source == "repaired pts"
    assert np.allclose(times, np.arange(len(played)) * 0.04)


def test_a_few_wrong_times_of_a_constant_rate_are_corrected():
    pts = 5 + np.arange(100) / 25
    pts[72:77] -= 0.08  # a program stream's guess for an open group of pictures
    times, source = frame_times(pts, np.full(100, NAN), 25)
    assert source == "repaired pts"
    assert np.allclose(times, np.arange(100) / 25)
    pts[50:] += 10  # frames are missing: no constant rate
    assert frame_times(pts, np.full(100, NAN), 25)[0][-1] == pytest.approx(13.96, abs=0.05)


def test_repaired_times_always_increase():
    rng = np.random.default_rng(0)
    for _ in range(200):
        pts = rng.uniform(-5, 5, 30) * rng.choice([1, 1e5], 30)
        pts[rng.random(30) < 0.3] = NAN
        times, _ = frame_times(pts, np.full(30, NAN), 25)
        assert times[0] == 0
        assert (np.diff(times) > 0).all()


def test_gaps_are_lost_frames_not_slow_ones():
    times = np.arange(100) / 25
    times[50:] += 4.5
    assert np.allclose(gaps(times), [4.54])
    assert not len(gaps(np.arange(10) * 2.0))  # a frame every two seconds
    assert not len(gaps(np.cumsum([0.02, 0.06] * 20)))
    assert not len(gaps(np.zeros(1)))


def test_step_is_what_most_frames_take():
    assert frame_step(np.array([0, 0.04, 0.08, 5.0]), 30) == pytest.approx(0.04)
    assert frame_step(np.zeros(1), 30) == pytest.approx(1 / 30)
    assert frame_step(np.zeros(1), 0) == pytest.approx(1 / 25)


@pytest.mark.parametrize(
    "rate", [Fraction(30000, 1001), Fraction(981, 50), Fraction(12), Fraction(24), Fraction(5)]
)
def test_constant_rates(tmp_path, rate):
    line = read_timeline(write_clip(tmp_path / "a.mp4", 40, rate=rate), 25)
    assert line.duration == pytest.approx(40 / float(rate), abs=1e-4)
    assert line.fps == pytest.approx(float(rate), rel=1e-4)
    expected = [min(range(40), key=lambda i: (abs(i / rate - Fraction(k, 25)), i))
                for k in range(-(-40 * 25 * rate.denominator // rate.numerator))]  # fmt: skip
    assert line.frame_index.tolist() == expected
    assert (line.status, line.reason, line.gaps) == ("ok", "", 0)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_variable_rate_is_placed_by_time_not_by_count(tmp_path, suffix):
    times = [i / 50 if i < 50 else 1 + (i - 50) * 0.06 for i in range(100)]
    line = read_timeline(write_clip(tmp_path / f"a{suffix}", 100, times=times), 25)
    assert np.allclose(line.times, times, atol=6e-4)
    assert line.frame_index[:25].tolist() == list(range(0, 50, 2))
    late = line.frame_index[26:]
    at = np.array(times)[late]
    assert np.abs(at - np.arange(26, 26 + len(late)) / 25).max() <= 0.0306


def test_pictures_stand_at_their_second(tmp_path):
    path = write_clip(tmp_path / "a.mp4", 60, rate=Fraction(30))
    line = read_timeline(path, 25)
    read = [number_of(p) for chunk in read_frames(path, line.frame_index) for p in chunk]
    assert read == line.frame_index.tolist()


def test_a_raw_stream_without_times_runs_at_its_rate(tmp_path):
    path = write_clip(tmp_path / "a.h264", 40, container="h264", options={"bf": "0"})
    line = read_timeline(path, 25)
    assert line.frames == 40
    assert line.clock in ("rate", "dts", "repaired pts")
    assert np.allclose(line.times, np.arange(40) / 25)


def test_the_header_is_not_believed(tmp_path):
    whole = write_clip(tmp_path / "a.mkv", 250)
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    line = read_timeline(cut, 25)
    assert line.status == "partial"
    assert "cut short" in line.reason
    assert line.duration == pytest.approx(line.frames / 25)
    assert len(line.frame_index) == line.frames < 200


def test_lost_frames_leave_a_gap_that_is_named(tmp_path):
    times = [i / 25 + (4.5 if i >= 30 else 0) for i in range(60)]
    line = read_timeline(write_clip(tmp_path / "a.mp4", 60, times=times), 25)
    assert (line.status, line.gaps) == ("partial", 1)
    assert "1 gaps between frames, the longest 4.54 s" in line.reason
    assert line.duration == pytest.approx(2.4 + 4.5, abs=1e-3)
    assert set(line.frame_index[32:142]) == {29}  # until the next picture comes at 5.7 s


def test_real_clips(reference):
    folder = reference / "data" / "videos"
    squats = read_timeline(folder / "pose_squats.mp4", 25)
    assert (squats.width, squats.height, squats.frames) == (720, 1280, 65)
    assert squats.frame_index.tolist()[:8] == [0, 0, 0, 1, 1, 1, 1, 1]
    assert read_timeline(folder / "v_GGSY1Qvo990.mp4", 25).fps == pytest.approx(19.62, abs=1e-3)
    packed = read_timeline(next(folder.glob("hmdb51*.avi")), 25)
    assert packed.clock == "dts"
    assert np.allclose(packed.times, np.arange(83) / 30)
    bad = read_timeline(folder / "corrupted.mp4", 25)
    assert bad.status == "partial"
    assert "49 of 50 announced frames decoded" in bad.reason


def test_errors(tmp_path):
    with pytest.raises(MediaError, match="absent.mp4"):
        read_timeline(tmp_path / "absent.mp4", 25)


def nearest(times, duration, fps):
    """The nearest frame to each k/fps < duration, the earlier of two; times in any whole unit."""
    out, k = [], 0
    while not out or k < duration * fps:
        distance = [abs(t * fps - k) for t in times]
        out.append(distance.index(min(distance)))
        k += 1
    return out


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(st.integers(4, 120), min_size=1, max_size=20),
    fps=st.sampled_from([25, 16, 30, 10]),
)
def test_variable_rates_follow_the_definition(steps, fps):
    # times in 1/240 s, in which exact ties between two frames are common
    times = [Fraction(sum(steps[:i]), 240) for i in range(len(steps))]
    duration = Fraction(sum(steps), 240)
    got = frame_grid(np.array([float(t) for t in times]), float(duration), fps)
    assert got.tolist() == nearest(times, duration, fps)


@pytest.mark.parametrize(
    "rate", [Fraction(30000, 1001), Fraction(981, 50), Fraction(12), Fraction(25, 2), Fraction(5)]
)
@pytest.mark.parametrize("count", [1, 2, 120])
def test_constant_rates_follow_the_definition(rate, count):
    times = [i / rate for i in range(count)]
    got = frame_grid(np.array([float(t) for t in times]), float(count / rate), 25)
    assert got.tolist() == nearest(times, count / rate, 25)


def test_same_rate_is_the_identity():
    times = np.arange(5000) * (1 / 25)  # not quite the floats of k / 25
    assert frame_grid(times, 200 + 1e-9, 25).tolist() == list(range(5000))


def test_half_the_rate_takes_the_earlier_of_two():
    assert frame_grid(np.arange(3000) * 0.08, 240, 25).tolist() == [k // 2 for k in range(6000)]


def test_frame_count_is_half_open():
    assert frame_count(10, 25) == 250
    assert frame_count(10.02, 25) == 251
    assert frame_count(0.001, 25) == 1
    with pytest.raises(WstalError):
        frame_grid(np.array([]), 0, 25)


def test_tail_rules():
    assert [snippet_count(n) for n in (1, 15, 16, 31, 32)] == [1, 1, 1, 1, 2]
    assert [snippet_count(n, "repeat") for n in (1, 15, 16, 17, 32, 33)] == [1, 1, 1, 2, 2, 3]
    with pytest.raises(WstalError, match="drop or repeat"):
        snippet_count(16, "pad")


@pytest.mark.parametrize(
    ("frames", "gap", "size", "message"),
    [
        (10_000, 599.0, (320, 240), "10000 frames in 5990000 s, one in 599 s"),
        (8600, 10.1, (320, 240), "8600 frames in 86860 s, one in 10 s"),
        (10, 0.04, (2000, 2), "pictures of 2000x2 px; at most 32 times"),
        (10, 0.04, (16, 600), "pictures of 16x600 px"),
    ],
)
def test_what_would_make_far_more_data_than_the_file_holds_is_refused(frames, gap, size, message):
    times = np.arange(frames) * gap
    with pytest.raises(MediaError, match=message):
        lay_grid(Scan(times, times, 1 / gap, *size, 0), fps=25)


@pytest.mark.parametrize(
    ("frames", "gap", "size"), [(60, 1000.0, (64, 64)), (1000, 9.9, (320, 10))]
)
def test_slow_shows_and_banners_are_read(frames, gap, size):
    times = np.arange(frames) * gap
    line = lay_grid(Scan(times, times, 1 / gap, *size, 0), fps=1)
    assert line.frames == frames and line.duration == pytest.approx(frames * gap)
