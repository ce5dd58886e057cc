"""Motions: bounded speed, gentle start, paths that are what their names say."""

import numpy as np
import pytest
from wstal.data.render.motion import ACTIONS, MOTIONS, TOP_SPEED, draw_motion, reach

SEEDS = range(20)


def path(motion, index=0, seconds=1.0, steps=400):
    """Poses over time, [steps, 5]."""
    return np.array([motion.poses(t)[index] for t in np.linspace(0, seconds, steps)])


@pytest.mark.parametrize("name", MOTIONS)
def test_speed_is_within_what_flow_follows(name):
    for seed in SEEDS:
        moved = path(draw_motion(name, np.random.default_rng(seed)))[:, :2]
        speed = np.linalg.norm(np.diff(moved, axis=0), axis=1) * 399
        assert speed.max() <= TOP_SPEED * 1.02


@pytest.mark.parametrize("name", ACTIONS)
def test_actions_start_from_rest_and_fit_a_snippet(name):
    motion = draw_motion(name, np.random.default_rng(1))
    assert np.allclose(motion.poses(0.0, gain=0.0, travelled=0.0)[0], (0, 0, 0, 1, 1))
    assert name == "spin" or 1 / motion.frequency < 0.68


@pytest.mark.parametrize("name", MOTIONS)
def test_reach_bounds_the_path(name):
    for seed in SEEDS:
        motion = draw_motion(name, np.random.default_rng(seed))
        if name not in ("clap", "swap"):  # these stay between the two objects
            assert np.abs(path(motion, seconds=0.68)[:, :2]).max() <= reach(motion) + 1e-6


def test_paths_are_what_they_are_called():
    rng = np.random.default_rng(3)
    sway, bounce = path(draw_motion("sway", rng)), path(draw_motion("bounce", rng))
    assert np.ptp(sway[:, 0]) > 3 * np.ptp(sway[:, 1])
    assert np.ptp(bounce[:, 1]) > 3 * np.ptp(bounce[:, 0])
    orbit = draw_motion("orbit", rng)
    assert np.allclose(np.linalg.norm(path(orbit)[:, :2], axis=1), orbit.amplitude)
    assert np.ptp(path(draw_motion("pulse", rng))[:, 3]) == pytest.approx(0.76, abs=0.01)
    clap = draw_motion("clap", rng)
    first, second = path(clap), path(clap, 1)
    assert np.allclose(first[:, :2], -second[:, :2])
    assert first[:, 0].min() >= -1e-9


def test_unknown_motion_is_named():
    with pytest.raises(ValueError, match="'jump' is not one of"):
        draw_motion("jump", np.random.default_rng(0))
