"""The time grid against its definition, spelled out slowly."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wstal.errors import WstalError
from wstal.timegrid import (
    frame_count,
    frame_grid,
    snippet_count,
    snippet_flows,
    snippet_frames,
    snippet_spans,
    snippet_step,
    to_seconds,
    to_snippets,
)


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


@pytest.mark.parametrize("frames", [1, 2, 15, 16, 17, 32, 47, 48])
@pytest.mark.parametrize("tail", ["drop", "repeat"])
def test_snippets_hold_their_frames_and_flows(frames, tail):
    table = snippet_frames(frames, tail)
    assert table.shape == (snippet_count(frames, tail), 16)
    for k, frame in enumerate(table.ravel()):
        assert frame == min(k, frames - 1)
    if frames == 1:
        with pytest.raises(WstalError):
            snippet_flows(frames, tail)
        return
    for k, flow in enumerate(snippet_flows(frames, tail).ravel()):
        assert flow == min(k, frames - 2)


def test_seconds_and_snippets_are_inverse():
    step = snippet_step(25)
    assert step == 0.64
    spans = snippet_spans(5, step, t0=0.5)
    assert np.allclose(spans[0], [0.5, 1.14])
    assert np.allclose(spans[1:, 0], spans[:-1, 1])
    assert np.allclose(to_snippets(spans, step, 0.5), np.arange(5)[:, None] + [0, 1])
    assert to_seconds(2.5, step) == 1.6
