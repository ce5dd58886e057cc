"""Acts that set in and die away, and groups that rest, drift or leave."""

import numpy as np
import pytest
from wstal.data.render.motion import Motion
from wstal.data.render.performance import FADE, RAMP, Act, Stay, draw_stay, smooth
from wstal.data.render.plan import Event


@pytest.fixture
def act():
    return Act(2.0, 5.0, Motion("spin", 1.0, 10, 0, 1))


def test_gain_is_zero_outside_and_one_inside(act):
    assert act.gain(1.9) == act.gain(2.0) == act.gain(5.0) == act.gain(6.0) == 0
    assert act.gain(2 + RAMP) == act.gain(3.5) == 1


def test_travelled_is_the_integral_of_the_gain(act):
    times = np.linspace(1.5, 5.5, 40001)
    gain = [act.gain(t) for t in times]
    integral = np.concatenate([[0], np.cumsum(gain)[1:] * (times[1] - times[0])])
    travelled = [act.travelled(t) for t in times]
    assert np.allclose(travelled, integral, atol=1e-3)


def test_a_spin_stays_turned_after_its_end(act):
    assert act.poses(5.0)[0] == act.poses(9.0)[0]
    assert act.poses(5.0)[0].angle == pytest.approx(2 * np.pi * (3.0 - RAMP))


def test_stay_passes_its_keys_and_fades():
    stay = Stay([(0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (3.0, 4.0, 2.0)], [(5.0, 8.0)])
    assert np.allclose(stay.at(0.5), 0)
    assert np.allclose(stay.at(2.0), (2, 1))
    assert np.allclose(stay.at(10), (4, 2))
    assert stay.opacity(5.0) == 1 and stay.opacity(8.0) == 1
    assert stay.opacity(5 + FADE) == 0 and stay.opacity(8 - FADE) == pytest.approx(0)
    assert stay.opacity(6.5) == 0


def test_group_is_in_view_and_does_not_walk_while_it_acts():
    actions = (Event(3.0, 5.0, "sway"), Event(8.5, 11.0, "sway"))
    absent = 0
    for seed in range(40):
        stay = draw_stay(np.random.default_rng(seed), actions, 16.0, (10.0, 6.0))
        absent += len(stay.absences)
        for action in actions:
            for now in np.linspace(action.start, action.end, 9):
                assert stay.opacity(now) == 1
                assert np.allclose(stay.at(now), stay.at(action.start + 1e-6), atol=0.1)
        track = np.array([stay.at(t) for t in np.arange(0, 16, 0.1)])
        assert (np.abs(track) <= (10.0001, 6.0001)).all()
    assert absent > 10


def test_smooth_is_a_step():
    assert [smooth(x) for x in (-1, 0, 0.5, 1, 2)] == [0, 0, 0.5, 1, 1]
