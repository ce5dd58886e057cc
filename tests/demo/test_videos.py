"""The untrimmed videos: the frozen plan, and what pictures and sound show of it and do not."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import cv2
import numpy as np
import pytest
import yaml
from plan_digest import plan_digest
from wstal.base.errors import WstalError
from wstal.config.catalog import load_catalog
from wstal.demo.casting import CROP, Event
from wstal.demo.motion import ACTIONS
from wstal.demo.pretrain import render_clip
from wstal.demo.videos import (
    CLASS_SOUNDS,
    FRAME_RATES,
    SIZES,
    VideoPlan,
    build_scene,
    draw_frames,
    draw_soundtrack,
    plan_videos,
)

FROZEN = "84732eaa0591960d381086806aedd4d66e1cc2fefb0b8fe50bf2f3cdeb08fcc4"
FROZEN_VAL = "b3440854367e1e95d71341a0283c0994184d63b32d014d8d798a33d846913860"


@pytest.fixture(scope="module")
def config(project):
    return yaml.safe_load((project / "workflow/config/datasets/demo.yaml").read_text())["render"]


@pytest.fixture(scope="module")
def plans(config):
    return plan_videos(config)


def split(plans, name):
    return [p for p in plans if p.split == name and not p.truncated]


def test_the_demo_is_frozen(plans):
    """Nobody tunes the data until a method wins: change this only with the whole demo."""
    assert plan_digest(plans) == FROZEN


def test_the_validation_videos_are_frozen_beside_the_same_training_videos(plans, project):
    path = project / "workflow/config/datasets/demo_val.yaml"
    own = yaml.safe_load(path.read_text())
    assert own["settings"] == own["like"] == "demo" and set(own["render"]) == {"test_seed"}
    found = load_catalog().datasets["demo_val"]["render"]
    val = plan_videos(found)
    assert plan_digest(val) == FROZEN_VAL
    assert [p for p in val if p.split == "train"] == [p for p in plans if p.split == "train"]
    assert len(split(val, "test")) == len(split(plans, "test"))
    assert all(p.id.startswith("val_") for p in split(val, "test"))
    assert not {p.seed for p in split(val, "test")} & {p.seed for p in plans}
    assert not {p.actions for p in split(val, "test")} & {p.actions for p in plans}


def test_counts(plans, config):
    assert len(split(plans, "train")) == config["train"]
    assert len(split(plans, "test")) == config["test"]
    assert len({p.id for p in plans}) == len(plans)


@pytest.mark.parametrize("name", ["train", "test"])
def test_classes_are_balanced(plans, name):
    counts = Counter(a.label for p in split(plans, name) for a in p.actions)
    assert set(counts) == set(ACTIONS)
    assert len(set(counts.values())) == 1


def test_actions_cover_a_tenth_to_under_half_of_every_video(plans):
    for plan in plans:
        share = sum(a.end - a.start for a in plan.actions) / plan.duration
        assert 0.10 <= share <= 0.45


def test_actions_vary_in_number_and_length_and_keep_apart(plans):
    assert {len(p.actions) for p in plans} == {2, 3, 4}
    lengths = [a.end - a.start for p in plans for a in p.actions]
    assert 1.79 <= min(lengths) < 2.0 and 3.8 < max(lengths) <= 4.21
    for plan in plans:
        assert 15.9 <= plan.duration <= 24
        assert plan.actions[0].start >= 1 and plan.duration - plan.actions[-1].end >= 1
        for before, after in zip(plan.actions[:-1], plan.actions[1:], strict=True):
            assert after.start - before.end >= 1


def test_some_videos_have_two_classes_in_both_splits(plans):
    for name in ("train", "test"):
        several = [p for p in split(plans, name) if len(p.labels) == 2]
        assert 2 <= len(several) <= len(split(plans, name)) / 3
    assert all(1 <= len(p.labels) <= 2 for p in plans)


def test_rates_and_sizes_are_mixed_in_both_splits(plans):
    for name in ("train", "test"):
        assert {p.fps for p in split(plans, name)} == set(FRAME_RATES)
        assert {(p.width, p.height) for p in split(plans, name)} == set(SIZES)


def test_one_video_is_silent_and_one_is_cut_short(plans):
    assert [p.split for p in plans if not p.audio] == ["train"]
    assert [p.split for p in plans if p.truncated] == ["train"]
    assert not any(p.truncated and not p.audio for p in plans)


def test_some_classes_sound_and_others_do_not(plans):
    assert 0 < len(CLASS_SOUNDS) < len(ACTIONS)
    near = Counter()
    for plan in plans:
        for action in plan.actions:
            sound = CLASS_SOUNDS.get(action.label)
            near[sound] += any(
                s.label == sound and abs(s.start - action.start) <= 0.21 for s in plan.sounds
            )
            assert all(s.end <= plan.duration + 0.25 for s in plan.sounds)
    for name, sound in CLASS_SOUNDS.items():
        total = sum(a.label == name for p in plans for a in p.actions)
        assert 0.6 * total < near[sound] <= total
    owned = set(CLASS_SOUNDS.values())
    assert all(any(s.label not in owned for s in plan.sounds) for plan in plans)


def test_the_seed_changes_the_plan(config):
    assert plan_digest(plan_videos({**config, "seed": 8})) != plan_digest(plan_videos(config))


@pytest.mark.parametrize(
    "bad", [{"seed": 1, "train": 2}, {"seed": 1, "train": 0, "test": 1}, {"train": "x"}]
)
def test_bad_config_is_named(bad):
    with pytest.raises(WstalError, match="render:"):
        plan_videos(bad)


def one_action(label, seed, **changes):
    """A short plan with a single action from 1 to 3 s."""
    plan = VideoPlan(
        id="x",
        split="test",
        seed=seed,
        fps=(25, 1),
        width=112,
        height=112,
        frames=100,
        actions=(Event(1.0, 3.0, label),),
        sounds=(Event(1.0, 3.0, "buzz"),),
    )
    return replace(plan, **changes)


def grey_frames(plan, start, stop, step=1):
    scene = build_scene(plan)
    times = np.arange(start, stop, step) * plan.fps[1] / plan.fps[0]
    return [cv2.cvtColor(scene.draw(t), cv2.COLOR_RGB2GRAY) for t in times]


def flow(plan, start, stop):
    """Farneback flow of OpenCV, [pairs, H, W, 2], less the camera's (median) motion."""
    pictures = grey_frames(plan, start, stop)
    flows = np.stack(
        [
            cv2.calcOpticalFlowFarneback(a, b, None, 0.5, 3, 11, 3, 5, 1.1, 0)
            for a, b in zip(pictures[:-1], pictures[1:], strict=True)
        ]
    )
    return flows - np.median(flows, axis=(1, 2), keepdims=True)


def statistics(flows):
    """Shape of the motion, whatever its place: shares of directions, spread, rotation."""
    energy = np.abs(flows).sum() + 1e-6
    mean = flows.mean(axis=(1, 2))
    moving = (np.abs(flows) ** 2).sum(-1) > 1
    u, v = flows[..., 0], flows[..., 1]
    curl = np.gradient(v, axis=2) - np.gradient(u, axis=1)
    div = np.gradient(u, axis=2) + np.gradient(v, axis=1)
    scale = np.abs(flows).mean() * flows.shape[1] * flows.shape[2]
    return np.array(
        [
            np.abs(u).sum() / energy,
            np.abs(mean[:, 0]).sum() * 112 * 112 / energy,
            np.abs(mean[:, 1]).sum() * 112 * 112 / energy,
            np.abs((curl * moving).sum(axis=(1, 2))).mean() / scale,
            np.abs((div * moving).sum(axis=(1, 2))).mean() / scale,
        ]
    )


def leave_one_out(features, labels):
    """Accuracy of the nearest class mean with the sample itself left out."""
    features = (features - features.mean(0)) / (features.std(0) + 1e-9)
    hits = []
    for k in range(len(labels)):
        rest = np.arange(len(labels)) != k
        means = [features[rest & (labels == c)].mean(0) for c in np.unique(labels)]
        hits.append(np.linalg.norm(np.array(means) - features[k], axis=1).argmin() == labels[k])
    return np.mean(hits)


@pytest.fixture(scope="module")
def samples():
    """Twelve videos of one action per class."""
    return [(c, one_action(name, 100 * c + s)) for c, name in enumerate(ACTIONS) for s in range(12)]


def test_a_still_picture_does_not_give_the_class_away(samples):
    """Mean colour, mean brightness per quarter and the object's place: chance is 1 in 6."""
    features = []
    for _, plan in samples:
        picture = build_scene(plan).draw(2.0).astype(float)
        unlike = np.abs(picture - np.median(picture, axis=(0, 1))).sum(-1)
        unlike = np.where(unlike > np.quantile(unlike, 0.9), 1.0, 0.0)
        y, x = np.mgrid[:112, :112] * unlike / unlike.sum()
        quarters = picture.mean(-1).reshape(2, 56, 2, 56).mean(axis=(1, 3)).ravel()
        features.append([*picture.mean(axis=(0, 1)), *quarters, x.sum(), y.sum()])
    accuracy = leave_one_out(np.array(features), np.array([c for c, _ in samples]))
    assert accuracy < 1 / 6 + 0.15


def test_flow_statistics_tell_the_classes_apart(samples):
    features = np.array([statistics(flow(plan, 38, 55)) for _, plan in samples])
    assert leave_one_out(features, np.array([c for c, _ in samples])) > 0.5


def test_motion_is_inside_its_segment():
    for label in ACTIONS:
        inside, outside = [], []
        for seed in range(4):
            plan = one_action(label, seed)
            inside.append(np.abs(flow(plan, 40, 50)).mean())
            outside.append(np.abs(flow(plan, 3, 13)).mean())
        assert np.mean(inside) > 2 * np.mean(outside)


def test_action_stays_in_the_central_crop():
    """The second object's place at rest included: nothing that acts leaves the crop by much."""
    for plan in plan_videos({"seed": 7, "train": 12, "test": 12}):
        scene = build_scene(plan)
        heroes = [a for a in scene.actors if a.sprite.size > 20]
        assert 1 <= len(heroes) <= 2
        for action in plan.actions:
            for now in np.linspace(action.start, action.end, 25):
                for hero in heroes:
                    pose, opacity = hero.place(now)
                    assert opacity == 1
                    assert max(abs(pose.dx), abs(pose.dy)) + hero.sprite.size / 2 <= CROP


def test_frame_rate_does_not_change_the_motion():
    slow = build_scene(one_action("orbit", 5, fps=(24, 1))).draw(1.5)
    fast = build_scene(one_action("orbit", 5, fps=(30, 1))).draw(1.5)
    assert np.array_equal(slow, fast)


@pytest.mark.parametrize("size", [(160, 120), (112, 144)])
def test_frames_have_the_planned_size(size):
    plan = one_action("spin", 3, width=size[0], height=size[1], frames=3)
    frames = list(draw_frames(plan))
    assert len(frames) == 3
    assert frames[0].shape == (size[1], size[0], 3) and frames[0].dtype == np.uint8
    assert np.array_equal(frames[2], list(draw_frames(plan))[2])


def test_soundtrack_has_the_planned_sounds():
    plan = one_action("sway", 3)
    sound = draw_soundtrack(plan, 16000)
    assert sound.shape == (64000,) and sound.dtype == np.float32
    loudness = np.sqrt((sound.reshape(8, -1) ** 2).mean(axis=1))
    assert loudness[2:6].min() > 1.3 * loudness[[0, 1, 6, 7]].max()
    assert np.array_equal(sound, draw_soundtrack(plan, 16000))


def thumbnails(plans):
    """Pictures of a plan reduced to 8 x 8, uint8 [videos, 3, 8, 8, 3], and of a clip."""
    rows = [
        [
            cv2.resize(build_scene(p).draw(t), (8, 8), interpolation=cv2.INTER_AREA)
            for t in (1, 5, 9)
        ]
        for p in plans
    ]
    clip = render_clip("orbit", 1)[0]
    return np.stack(rows), cv2.resize(clip, (8, 8), interpolation=cv2.INTER_AREA)


def test_pictures_are_frozen(project):
    """The renderer stands still as the plan does; within two grey levels across OpenCV builds."""
    kept = np.load(project / "tests/golden/demo_thumbnails.npz")
    videos, clip = thumbnails(plan_videos({"seed": 7, "train": 24, "test": 12})[::6])
    assert np.abs(videos.astype(int) - kept["videos"]).max() <= 2
    assert np.abs(clip.astype(int) - kept["clip"]).max() <= 2
