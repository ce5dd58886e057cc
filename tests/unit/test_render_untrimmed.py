"""Untrimmed videos: what the pictures and the sound give away, and what they do not."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from wstal.data.render.clip import render_clip
from wstal.data.render.motion import ACTIONS
from wstal.data.render.plan import Event, VideoPlan, plan_videos
from wstal.data.render.untrimmed import CROP, build_scene, draw_frames, draw_soundtrack


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
