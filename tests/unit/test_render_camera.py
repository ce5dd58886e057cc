"""The camera: slow, smooth, still at strength 0."""

import numpy as np
from wstal.data.render.camera import draw_camera


def states(strength, seed):
    camera = draw_camera(np.random.default_rng(seed), strength)
    return np.array([camera.state(k / 25) for k in range(500)])


def test_it_moves_by_fractions_of_a_pixel_per_frame():
    for seed in range(20):
        moved = np.diff(states(1.0, seed)[:, :2], axis=0)
        assert 0.02 < np.abs(moved).max() < 0.8
        assert np.abs(np.diff(moved, axis=0)).max() < 0.05  # no jitter


def test_strength_zero_is_a_tripod():
    assert np.allclose(states(0.0, 1), (0, 0, 0, 1))


def test_matrix_puts_the_scene_in_the_middle():
    matrix = draw_camera(np.random.default_rng(0), 0.0).matrix(1.0, 2.0, 160, 120)
    assert np.allclose(matrix @ (0, 0, 1), (79.5, 59.5, 1))
    assert np.allclose(matrix @ (10, -5, 1), (99.5, 49.5, 1))
