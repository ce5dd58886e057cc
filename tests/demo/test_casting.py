"""Motions keep their speed and path; objects act inside the crop and rest between their actions."""

from __future__ import annotations

import numpy as np
import pytest
from wstal.demo.casting import (
    CROP,
    FADE,
    RAMP,
    Act,
    Event,
    Pair,
    Stay,
    draw_anchor,
    draw_background,
    draw_distractor,
    draw_look,
    draw_object_size,
    draw_stay,
    draw_troupe,
    smooth,
)
from wstal.demo.motion import ACTIONS, MOTIONS, TOP_SPEED, Motion, draw_motion, reach
from wstal.demo.pictures import VIDEO_SHAPES, VIDEO_TEXTURES

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
