"""Casting: light, places and distractors as the classes share them."""

import numpy as np
import pytest
from wstal.data.render.cast import (
    Pair,
    draw_anchor,
    draw_background,
    draw_distractor,
    draw_look,
    draw_object_size,
)
from wstal.data.render.sprite import VIDEO_SHAPES
from wstal.data.render.texture import VIDEO_TEXTURES


def look(seed):
    return draw_look(np.random.default_rng(seed), VIDEO_SHAPES, VIDEO_TEXTURES)


def test_objects_stand_out_from_the_background():
    for seed in range(30):
        light = look(seed)
        assert 0.15 <= abs(light.lift) <= 0.35
        assert 0.1 < light.brightness + light.lift < 0.9


def test_background_has_a_margin():
    background = draw_background(np.random.default_rng(0), look(0), (112, 144), 1.0)
    assert background.shape == (144, 176, 3) and background.dtype == np.uint8


def test_distractors_are_slow_and_stay_about():
    for seed in range(10):
        actor = draw_distractor(np.random.default_rng(seed), look(seed), (56, 56))
        places = np.array([actor.place(k / 25)[0][:2] for k in range(500)])
        assert np.abs(places).max() <= 56 + actor.sprite.size
        steps = np.linalg.norm(np.diff(places, axis=0), axis=1)
        assert np.median(steps) < 1.0


def test_pair_surrounds_its_middle():
    pair = Pair(40.0, 0.3)
    assert np.allclose(pair.offset(0), -pair.offset(1))
    assert np.linalg.norm(pair.offset(1) - pair.offset(0)) == pytest.approx(40)


def test_anchor_leaves_room():
    rng = np.random.default_rng(0)
    anchors = np.array([draw_anchor(rng, (56, 56), (50, 20)) for _ in range(100)])
    assert np.abs(anchors[:, 0]).max() <= 3 and 10 < np.abs(anchors[:, 1]).max() <= 16
    assert 26 <= draw_object_size(rng, True) <= 32 and 27 <= draw_object_size(rng, False) <= 38
