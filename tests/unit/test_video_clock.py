"""Times of frames from good, disordered, partial and absent timestamps."""

import numpy as np
import pytest
from wstal.video.clock import frame_step, frame_times, gaps

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


@pytest.mark.parametrize("jump", [-50.0, 95000.0])
def test_a_restarted_clock_goes_on_without_a_jump(jump):
    pts = 60 + np.arange(100) / 25
    pts[60:] += jump
    times, source = frame_times(pts, np.full(100, NAN), 25)
    assert source == "repaired pts"
    assert np.allclose(times, np.arange(100) / 25)


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
