"""Drawing: sprites land where their pose says, below a pixel, and fade."""

import numpy as np
import pytest
from wstal.data.render.camera import draw_camera
from wstal.data.render.motion import Pose
from wstal.data.render.scene import Actor, Scene, draw_grain
from wstal.data.render.sprite import Sprite


def draw(pose, opacity=1.0, size=(80, 100), scale=1.0):
    pixels = np.full((24, 24, 4), 255, np.uint8)
    pixels[:2] = pixels[-2:] = pixels[:, :2] = pixels[:, -2:] = 0
    actor = Actor(Sprite(pixels, 16), lambda now: (pose, opacity))
    grain = np.zeros((size[0] + 40, size[1] + 40, 3), np.int16)
    camera = draw_camera(np.random.default_rng(0), 0.0)
    background = np.zeros((size[0] + 32, size[1] + 32, 3), np.uint8)
    return Scene(background, [actor], camera, size, grain, scale).draw(0.0)[..., 0].astype(float)


def centre(picture):
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]]
    weight = picture / picture.sum()
    return (weight * x).sum(), (weight * y).sum()


@pytest.mark.parametrize("pose", [(0, 0), (10.25, -7.5), (-20.4, 3.6)])
def test_sprite_lands_below_a_pixel(pose):
    x, y = centre(draw(Pose(*pose)))
    assert (x, y) == pytest.approx((49.5 + pose[0], 39.5 + pose[1]), abs=0.08)


def test_scale_and_opacity():
    whole = draw(Pose()).sum()
    assert draw(Pose(sx=1.5, sy=0.5)).sum() == pytest.approx(0.75 * whole, rel=0.03)
    assert draw(Pose(angle=0.7)).sum() == pytest.approx(whole, rel=0.03)
    assert draw(Pose(), opacity=0.5).sum() == pytest.approx(0.5 * whole, rel=0.03)
    assert draw(Pose(), scale=1.2).sum() == pytest.approx(1.44 * whole, rel=0.03)
    assert draw(Pose(), opacity=0.0).sum() == 0


def test_a_sprite_beyond_the_border_is_cut_or_absent():
    assert 0 < draw(Pose(50, 0)).sum() < 0.6 * draw(Pose()).sum()
    assert draw(Pose(500, 0)).sum() == 0


def test_grain_has_the_asked_strength_and_changes():
    grain = draw_grain(np.random.default_rng(0), (40, 40), 2.0)
    assert grain.std() == pytest.approx(2.0, rel=0.05)
    camera = draw_camera(np.random.default_rng(0), 0.0)
    scene = Scene(np.full((72, 72, 3), 90, np.uint8), [], camera, (40, 40), grain)
    assert not np.array_equal(scene.draw(0.0), scene.draw(0.04))
