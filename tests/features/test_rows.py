"""Rows in time: how many there are, what they see and speak for, and rows of other grids."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wstal.base.errors import WstalError
from wstal.features.rows import CommonGrid, RowGrid, common_grid, row_grid
from wstal.features.snippets import snippets

RATES = [8, 12.5, 16, 23.976, 24, 25, 29.97, 30, 60]
ROWS = st.builds(
    RowGrid,
    st.sampled_from(RATES),
    st.integers(1, 40),
    st.integers(1, 5),
    st.integers(1, 40),
    st.sampled_from(["drop", "repeat", "pad"]),
)
FRAMES = st.integers(1, 300)  # of a video


@pytest.mark.parametrize("tail", ["drop", "repeat"])
def test_sixteen_frames_without_overlap_are_as_they_were(tail):
    rows = RowGrid(25, tail=tail)
    assert (rows.t0, rows.step) == (0.0, 0.64)
    expected = {"drop": lambda n: max(1, n // 16), "repeat": lambda n: max(1, -(-n // 16))}[tail]
    assert all(rows.count(n) == expected(n) for n in range(1, 200))
    assert rows.frames(3).tolist() == list(range(48, 64))


@given(ROWS, st.integers(0, 10))
def test_rows_follow_without_a_gap_and_speak_for_the_middle_of_what_they_see(rows, row):
    (a, b), (start, end) = rows.seen(row), rows.spoken(row)
    assert b - a == pytest.approx(rows.window * rows.every / rows.fps)
    assert end - start == pytest.approx(rows.stride / rows.fps)
    assert (a + b) / 2 == pytest.approx((start + end) / 2, abs=1e-9)
    assert end == pytest.approx(rows.spoken(row + 1)[0], abs=1e-9)
    frames = rows.frames(row)
    assert len(frames) == rows.window and frames[0] == pytest.approx(a * rows.fps)
    assert (np.diff(frames) == rows.every).all()


@settings(max_examples=300)
@given(ROWS, FRAMES)
def test_the_number_of_rows_is_that_of_the_tail(rows, frames):
    count, extent = rows.count(frames), rows.extent
    assert count >= 1
    begin = rows.frames(count - 1)[0]
    last = begin + extent  # the first frame after the last row
    match rows.tail:
        case "drop":  # no row beyond the video, and no whole one is left out
            assert (frames < extent and count == 1) or last <= frames < last + rows.stride
        case "repeat":  # every frame is seen, or lies between two windows; no row more
            assert last >= frames or begin + rows.stride >= frames
            assert begin < frames and (count == 1 or last - rows.stride < frames)
        case "pad":  # rows speak for the whole video, from 0 s on
            assert rows.t0 * rows.fps in (0, pytest.approx(0.5))
            end = rows.spoken(count - 1)[1] * rows.fps
            assert frames <= end + 1e-6 and (count == 1 or end - rows.stride < frames + 0.5)
    if rows.tail != "pad" and count > 1 and extent >= rows.stride:
        assert rows.spoken(count - 1)[0] * rows.fps < frames  # it begins to speak in the video


@given(ROWS, FRAMES, st.sampled_from([1, 7, 64]))
def test_snippets_are_the_frames_of_the_rows(rows, frames, chunk):
    """Repeated at the ends; and only what later rows see is waited with."""
    pictures = np.arange(frames, dtype=np.int16)[:, None, None, None]
    taken = []

    def chunks():
        for first in range(0, len(pictures), chunk):
            taken.append(first)
            yield pictures[first : first + chunk]

    count = rows.count(frames)
    for row, found in enumerate(snippets(chunks(), count, 1, rows)):
        assert found[:, 0, 0, 0].tolist() == rows.frames(row).clip(0, frames - 1).tolist()
    assert taken[-1] < rows.needed(count, frames)  # nothing is read that no row sees


def test_a_dense_grid_is_that_of_the_published_features():
    """CMCS: 16 frames, a row every 4, at 30 frames per second."""
    rows = RowGrid(30, 16, stride=4)
    assert (rows.t0, rows.step) == (pytest.approx(0.2), pytest.approx(4 / 30))
    assert rows.count(900) == (900 - 16) // 4 + 1
    sparse = RowGrid(25, 5, stride=15)  # CMCS's UntrimmedNet features of ActivityNet
    assert sparse.t0 == pytest.approx(-0.2) and sparse.spoken(0)[1] == pytest.approx(0.4)


def test_a_short_video_is_reported_and_others_are_not():
    rows = RowGrid(25, 16, every=4)
    assert rows.shortage(64) == "" and rows.count(63) == 1
    assert "its 63 frames are fewer than a row sees (64: window 16, every 4)" in rows.shortage(63)


def test_the_rows_of_a_section_and_of_one_of_its_streams():
    section = {"stride": 4, "per_stream": {"flow": {"stride": 8, "tail": None}}, "weights": "w"}
    assert row_grid(section, 25, "rgb") == RowGrid(25.0, 16, 1, 4)
    assert row_grid(section, 25, "flow") == RowGrid(25.0, 16, 1, 8)
    assert row_grid({"snippet": 32, "fps": 30}, 25) == RowGrid(30.0, 32)
    assert row_grid({}, 25) == RowGrid(25.0)


def times(rows, count):
    """Rows whose only number is the second of their middle."""
    return (rows.t0 + rows.step * (np.arange(count) + 0.5))[:, None]


@given(ROWS, ROWS, FRAMES, st.sampled_from(["nearest", "mean"]))
def test_rows_of_another_step_come_from_the_right_time(own, target, frames, resample):
    """Each number is a second, so that the error is the distance in time."""
    grid = CommonGrid({"a": target, "b": own}, "a", resample)
    count, rows = target.count(frames), own.count(frames)
    found = grid.bring("b", times(own, rows), count)[:, 0]
    wanted = times(target, count)[:, 0]
    first, last = times(own, rows)[[0, -1], 0]
    inside = (wanted >= first) & (wanted <= last)
    assert len(found) == count
    slack = max(own.step, target.step) / 2 + 1e-4
    assert (np.abs(found - wanted)[inside] <= slack).all()
    assert (found >= first - 1e-4).all() and (found <= last + 1e-4).all()
    if resample == "nearest":
        best = np.abs(times(own, rows)[None, :, 0] - wanted[:, None]).min(1)
        np.testing.assert_allclose(np.abs(found - wanted), best, atol=1e-5)


def test_the_mean_weighs_rows_by_their_overlap():
    fine, coarse = RowGrid(25, 4, stride=4), RowGrid(25, 10, stride=10)
    grid = CommonGrid({"a": coarse, "b": fine}, "a", "mean")
    found = grid.bring("b", np.arange(5.0)[:, None] ** 2, 2)
    assert found[:, 0].tolist() == [pytest.approx((4 * 0 + 4 * 1 + 2 * 4) / 10)] + [
        pytest.approx((2 * 4 + 4 * 9 + 4 * 16) / 10)
    ]
    back = CommonGrid({"a": fine, "b": coarse}, "a", "mean").bring("b", found, 5)
    assert back[0] == found[0] and back[4] == found[1]


def test_rows_beyond_a_stream_are_counted():
    wide, dense = RowGrid(25, 64, stride=8), RowGrid(25, 16, stride=4)
    grid = common_grid({"rgb": dense, "flow": wide}, "rgb")
    assert grid.uncovered("rgb", 22, 22) == 0
    # Of 100 frames flow speaks for frames 28 to 68, with half a row of slack for 24 to 72.
    assert wide.count(100) == 5 and dense.count(100) == 22
    middles = 8 + 4 * np.arange(22)
    assert grid.uncovered("flow", 5, 22) == int(((middles < 24) | (middles > 72)).sum()) == 9


def test_streams_share_rows_if_times_and_numbers_agree():
    padded = {"a": RowGrid(25, 16, stride=8, tail="pad"), "b": RowGrid(25, 64, 1, 8, "pad")}
    assert common_grid(padded, None).is_shared  # each row is centred on its stride
    with pytest.raises(WstalError, match="the streams have different rows"):
        common_grid({"a": RowGrid(25), "b": RowGrid(25, tail="repeat")}, None)
