"""The plan of the AVE-like clips: an event is what is seen and heard; and the frozen digest.

Sounds: length, level, determinism, and spectra that differ.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import yaml
from plan_digest import plan_digest
from wstal.base.errors import WstalError
from wstal.demo.events import (
    CLASSES,
    EVENT_SOUNDS,
    JITTER,
    SECONDS,
    SENSES,
    STRAY_SOUNDS,
    plan_events,
)
from wstal.demo.motion import ACTIONS
from wstal.demo.sound import SOUNDS, render_sound

FROZEN = "f72792f2a0293b6ab83b7d777fbe9e44a45da611361ca1a3e91484b1361cba63"


@pytest.fixture(scope="module")
def config(project):
    path = project / "workflow/config/datasets/demo_ave.yaml"
    return yaml.safe_load(path.read_text())["render"]


@pytest.fixture(scope="module")
def plans(config):
    return plan_events(config)


def of_split(plans, name):
    return [plan for plan in plans if plan.split == name and plan.event]


def active(events, now):
    """Labels of the events that are on at `now`, a tenth of a second inside their ends."""
    return {event.label for event in events if event.start + 0.1 <= now < event.end - 0.1}


def test_the_clips_are_frozen(plans):
    """Nobody tunes the data until a method wins: change this only with all results on it."""
    assert plan_digest(plans) == FROZEN


def test_half_of_the_classes_need_the_ear_and_half_the_eye():
    looks = Counter(motion for motion, _ in CLASSES.values())
    sounds = Counter(sound for _, sound in CLASSES.values())
    assert set(looks) == set(ACTIONS) and len(set(CLASSES.values())) == len(CLASSES) == 8
    alike = [(looks[motion] > 1, sounds[sound] > 1) for motion, sound in CLASSES.values()]
    assert alike.count((True, False)) == alike.count((False, True)) == 4
    assert not set(STRAY_SOUNDS) & set(EVENT_SOUNDS)


def test_counts_balance_and_background_clips(plans, config):
    for split in ("train", "val", "test"):
        counts = Counter(plan.event.label for plan in of_split(plans, split))
        assert set(counts) == set(CLASSES) and len(set(counts.values())) == 1
        assert sum(counts.values()) == config[split]
    empty = [plan for plan in plans if not plan.event]
    assert len(empty) == config["background"] and {plan.split for plan in empty} == {"train"}
    assert all(plan.labels == [] and plan.actions == () for plan in empty)
    assert len({plan.id for plan in plans}) == len({plan.seed for plan in plans}) == len(plans)


def test_an_event_is_every_second_that_is_seen_and_heard_and_no_other(plans):
    for plan in plans:
        for second in range(SECONDS):
            seen, heard = (active(each, second + 0.5) for each in (plan.acts, plan.sounds))
            both = {name for name, (m, s) in CLASSES.items() if m in seen and s in heard}
            inside = plan.event and plan.event.start <= second < plan.event.end
            assert both == ({plan.event.label} if inside else set()), plan.id


def test_no_class_is_ever_seen_and_heard_outside_its_event(plans):
    for plan in plans:
        for now in np.arange(0, SECONDS, 0.05):
            seen = {e.label for e in plan.acts if e.start <= now < e.end}
            heard = {e.label for e in plan.sounds if e.start <= now < e.end}
            for name, (motion, sound) in CLASSES.items():
                if motion in seen and sound in heard:
                    assert plan.event and name == plan.event.label, plan.id
                    assert plan.event.start - JITTER - 0.01 <= now < plan.event.end + JITTER + 0.01


def longer(events, label, event):
    """Whether what belongs to the class goes on for a second before or after its event."""
    spans = [(max(e.start, 0), min(e.end, SECONDS)) for e in events if e.label == label]
    return any(end - start > event.end - event.start + 0.6 for start, end in spans)


def test_motions_are_unheard_and_sounds_unseen_beside_many_events(plans):
    """In each split, own and other motions and sounds."""
    for split in ("train", "val", "test"):
        kinds = Counter()
        for plan in of_split(plans, split):
            motion, sound = CLASSES[plan.event.label]
            others = set(EVENT_SOUNDS) - {sound}
            kinds["seen on"] += longer(plan.acts, motion, plan.event)
            kinds["heard on"] += longer(plan.sounds, sound, plan.event)
            kinds["other seen"] += any(a.label != motion for a in plan.acts)
            kinds["other heard"] += any(s.label in others for s in plan.sounds)
        assert len(kinds) == 4 and min(kinds.values()) >= 2, (split, kinds)


def test_one_sense_is_weak_in_half_of_the_clips_never_both(plans):
    for split in ("train", "val", "test"):
        clips = of_split(plans, split)
        soft = [p.level < 5 for p in clips]
        masked = [
            any(s.label in STRAY_SOUNDS and s.end - s.start > 2.6 for s in p.sounds)
            or any(
                s.label in STRAY_SOUNDS
                and abs(s.start - p.event.start) <= JITTER
                and abs(s.end - p.event.end) <= JITTER
                for s in p.sounds
            )
            for p in clips
        ]
        unseen = [p.view != "clear" for p in clips]
        count = len(clips)
        assert sum(soft) == sum(masked) == count / 8
        assert sum(unseen) == count / 4
        for k in range(count):
            assert soft[k] + masked[k] + unseen[k] <= 1
    assert len(SENSES) == 8


def test_lengths_are_aves_with_fewer_whole_clips(plans):
    lengths = [int(p.event.end - p.event.start) for p in plans if p.event]
    assert lengths.count(SECONDS) / len(lengths) == pytest.approx(0.4, abs=0.01)
    assert set(lengths) == {*range(2, 9), SECONDS}
    assert 0.6 < sum(lengths) / (SECONDS * len(lengths)) < 0.75
    assert all(p.event.start == int(p.event.start) for p in plans if p.event)


def test_the_seed_changes_the_plan(config, plans):
    assert plan_digest(plan_events({**config, "seed": 12})) != plan_digest(plans)


@pytest.mark.parametrize("change", [{"train": 0}, {"val": "x"}, {"background": -1}, {"tset": 1}])
def test_bad_config_is_named(config, change):
    with pytest.raises(WstalError, match="render:"):
        plan_events({**config, **change})


@pytest.mark.parametrize("sound", SOUNDS)
def test_every_sound_renders(sound):
    wave = render_sound(sound, 4, 1.5)
    assert wave.shape == (24000,) and wave.dtype == np.float32
    assert 0.05 < np.abs(wave).max() < 0.6
    assert np.array_equal(wave, render_sound(sound, 4, 1.5))
    assert not np.array_equal(wave, render_sound(sound, 5, 1.5))


def test_length_follows_the_rate():
    assert len(render_sound("bells", 1, 0.7, rate=44100)) == 30870


def test_unknown_sound_is_named():
    with pytest.raises(ValueError, match="'song' is not one of beeps"):
        render_sound("song", 0, 1.0)


def test_nearest_centroid_of_spectrum_and_rhythm_tells_the_sounds_apart():
    def features(sound, seed):
        wave = render_sound(sound, seed, 2.0)
        power = np.abs(np.fft.rfft(wave.reshape(50, 640), axis=1)) ** 2
        bands = np.log(np.stack([b.sum(1) for b in np.array_split(power, 16, axis=1)], 1) + 1e-6)
        return np.concatenate([bands.mean(0), bands.std(0), np.abs(np.diff(bands, axis=0)).mean(0)])

    centroid = np.stack([np.mean([features(s, k) for k in range(8)], 0) for s in SOUNDS])
    hits = [
        np.linalg.norm(centroid - features(sound, seed), axis=1).argmin() == number
        for number, sound in enumerate(SOUNDS)
        for seed in range(100, 104)
    ]
    assert np.mean(hits) > 0.7
