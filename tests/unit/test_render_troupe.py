"""Those who act: inside the crop, at the tempo asked for, and without anything to do."""

import numpy as np
import pytest
from wstal.data.render.cast import draw_look
from wstal.data.render.plan import Event
from wstal.data.render.sprite import VIDEO_SHAPES
from wstal.data.render.texture import VIDEO_TEXTURES
from wstal.data.render.troupe import CROP, draw_troupe


def troupe(actions, seed=0, tempo=1.0):
    rng = np.random.default_rng(seed)
    look = draw_look(rng, VIDEO_SHAPES, VIDEO_TEXTURES)
    return draw_troupe(rng, look, actions, 10.0, tempo)


@pytest.mark.parametrize("label", ["sway", "orbit", "clap", "pulse"])
def test_everybody_stays_inside_the_crop(label):
    for seed in range(6):
        found = troupe([Event(2.0, 6.0, label)], seed)
        assert len(found.heroes) == 2 or label != "clap"
        for now in np.linspace(2, 6, 30):
            for hero in found.heroes:
                pose, opacity = hero.place(now)
                assert opacity == 1
                assert max(abs(pose.dx), abs(pose.dy)) + found.size / 2 <= CROP


def test_tempo_slows_the_motion_and_changes_nothing_else():
    action = [Event(0.0, 10.0, "sway")]
    plain, slow = troupe(action, 3), troupe(action, 3, 0.5)
    assert slow.acts[0].motion.frequency == 0.5 * plain.acts[0].motion.frequency
    assert slow.acts[0].motion.amplitude == plain.acts[0].motion.amplitude
    assert slow.size == plain.size and np.array_equal(
        slow.heroes[0].sprite.pixels, plain.heroes[0].sprite.pixels
    )


def test_a_motion_may_begin_before_the_video_and_end_after_it():
    found = troupe([Event(-0.5, 10.5, "spin")])
    assert found.acts[0].gain(0.0) == found.acts[0].gain(10.0) == 1
    places = [found.heroes[0].place(now)[0] for now in (0.5, 9.5)]
    assert np.isfinite([places[0].dx, places[1].dx]).all()
