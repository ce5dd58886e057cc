"""Clips as drawn: loudness, what is faint and what is covered, and pictures frozen."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import yaml
from wstal.data.render.event_clip import (
    NOISE,
    TEMPO,
    build_clip_scene,
    draw_clip_frames,
    draw_clip_sound,
)
from wstal.data.render.events import ClipPlan, plan_events
from wstal.data.render.plan import Event

RATE = 16000
SILENT = ClipPlan("x", "test", 5, Event(3.0, 7.0, "sway_buzz"), (), (), "clear", 12.0)
SWAY = replace(SILENT, acts=(Event(3.0, 7.0, "sway"),))


def rms(wave):
    return float(np.sqrt(np.mean(np.square(wave, dtype=float))))


@pytest.mark.parametrize("level", [0.0, 6.0, 14.0])
@pytest.mark.parametrize("sound", ["buzz", "tremolo", "bells", "clicks"])
def test_sounds_stand_over_the_noise_by_their_level(sound, level):
    noise = draw_clip_sound(SILENT, RATE)
    assert rms(noise) == pytest.approx(NOISE, rel=1e-3)
    plan = replace(SILENT, sounds=(Event(3.0, 7.0, sound),), level=level)
    added = draw_clip_sound(plan, RATE) - noise
    assert not added[: 3 * RATE].any() and not added[7 * RATE :].any()
    assert 20 * np.log10(rms(added[3 * RATE : 7 * RATE]) / NOISE) == pytest.approx(level, abs=0.5)


def test_a_sound_may_begin_before_the_clip_and_go_on_after_it():
    plan = replace(SILENT, sounds=(Event(-0.5, 10.5, "siren"),))
    added = draw_clip_sound(plan, RATE) - draw_clip_sound(SILENT, RATE)
    assert added.shape == (10 * RATE,)
    assert rms(added[: RATE // 10]) > 0.03 and rms(added[-RATE // 10 :]) > 0.03


def difference(plan, a, b):
    """Grey difference image between a clip's moments, without grain and camera."""
    scene = build_clip_scene(plan)
    still = replace(scene.camera, amplitude=0 * scene.camera.amplitude)
    actors = scene.actors[-2:] if plan.view == "covered" else scene.actors[-1:]
    scene = replace(scene, camera=still, grain=0 * scene.grain, actors=actors)
    pictures = [scene.draw(now).astype(float).mean(-1) for now in (a, b)]
    return np.abs(pictures[1] - pictures[0])


def moments(plan):
    """Two opposite ends of a swing."""
    rng_free = build_clip_scene(plan).actors
    hero = rng_free[-1] if plan.view != "covered" else rng_free[-2]
    times = np.linspace(4, 6, 81)
    x = [hero.place(now)[0].dx for now in times]
    return times[int(np.argmin(x))], times[int(np.argmax(x))]


def single(seeds):
    """Plans whose scene has a single object besides the small ones."""
    for seed in seeds:
        plan = replace(SWAY, seed=seed)
        if sum(actor.sprite.size > 20 for actor in build_clip_scene(plan).actors) == 1:
            yield plan


def test_faint_and_covered_show_less_but_something():
    shares = {"faint": [], "covered": []}
    for plan in list(single(range(14)))[:6]:
        full = difference(plan, *moments(plan)).sum()
        for view, found in shares.items():
            weak = replace(plan, view=view)
            found.append(difference(weak, *moments(weak)).sum() / full)
    assert 0.25 < np.mean(shares["faint"]) < 0.5
    assert 0.2 < np.mean(shares["covered"]) < 0.8
    assert min(*shares["faint"], *shares["covered"]) > 0.05


def test_a_motion_takes_as_many_snippets_as_at_25_frames():
    found = [e for e in build_clip_scene(SWAY).actors if e.sprite.size > 20][0]
    x = np.array([found.place(t)[0].dx for t in np.linspace(3.5, 6.5, 3001)])
    x = x - x.mean()
    crossings = np.count_nonzero(np.diff(np.sign(x)) > 0)
    assert 1.5 * TEMPO * 3 - 1 <= crossings <= 2.5 * TEMPO * 3 + 1


def test_frames_are_ten_seconds_at_sixteen():
    frames = list(draw_clip_frames(replace(SWAY, frames=3)))
    assert len(frames) == 3 and frames[0].shape == (112, 112, 3) and SWAY.frames == 160


def thumbnails(plans):
    """Pictures reduced to 8 x 8, uint8 [clips, 3, 8, 8, 3], and sound levels [clips, 10] in dB."""
    rows, levels = [], []
    for plan in plans:
        scene = build_clip_scene(plan)
        small = [cv2.resize(scene.draw(t), (8, 8), interpolation=cv2.INTER_AREA) for t in (1, 5, 9)]
        sound = draw_clip_sound(plan, RATE).reshape(10, RATE)
        rows.append(np.stack(small))
        levels.append(10 * np.log10(np.square(sound, dtype=float).mean(1)))
    return np.stack(rows), np.array(levels)


def test_clips_are_frozen(project):
    """The renderer stands still as the plan does; within two grey levels and a tenth of a dB."""
    config = yaml.safe_load((project / "workflow/config/datasets/demo_ave.yaml").read_text())
    kept = np.load(project / "tests/golden/demo_ave_thumbnails.npz")
    pictures, levels = thumbnails(plan_events(config["render"])[::23])
    assert np.abs(pictures.astype(int) - kept["pictures"]).max() <= 2
    assert np.abs(levels - kept["levels"]).max() < 0.1
