"""Trimmed clips: shape, determinism, and motions that differ as an independent flow sees them.

Clips as drawn: loudness, what is faint and what is covered, and pictures frozen.

Untrimmed videos: what the pictures and the sound give away, and what they do not.

MP4 writing: codecs, frame times and sound come back as they were given.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import islice

import av
import cv2
import numpy as np
import pytest
import yaml
from wstal.demo.clips import (
    CROP,
    MOTIONS,
    NOISE,
    SOUNDS,
    TEMPO,
    build_clip_scene,
    build_scene,
    draw_clip_frames,
    draw_clip_sound,
    draw_frames,
    draw_soundtrack,
    render_clip,
    write_mp4,
)
from wstal.demo.events import ClipPlan, plan_events
from wstal.demo.motion import ACTIONS
from wstal.demo.pictures import CLIP_SHAPES, CLIP_TEXTURES, VIDEO_SHAPES, VIDEO_TEXTURES
from wstal.demo.plan import Event, VideoPlan, plan_videos


def flow_energy(clip: np.ndarray) -> np.ndarray:
    """Mean absolute horizontal and vertical flow by OpenCV's Farneback, [2]."""
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in clip]
    flows = [
        cv2.calcOpticalFlowFarneback(a, b, None, 0.5, 3, 11, 3, 5, 1.1, 0)
        for a, b in zip(grey[:-1], grey[1:], strict=True)
    ]
    return np.abs(flows).mean(axis=(0, 1, 2))


@pytest.mark.parametrize("motion", MOTIONS)
def test_every_motion_renders(motion):
    clip = render_clip(motion, 3)
    assert clip.shape == (17, 112, 112, 3)
    assert clip.dtype == np.uint8
    assert 20 < clip.std() < 100


def test_at_least_twelve_motions_and_sounds():
    assert len(set(MOTIONS)) >= 12 and "idle" in MOTIONS
    assert len(set(SOUNDS)) >= 12 and "background" in SOUNDS


def test_same_arguments_same_clip():
    assert np.array_equal(render_clip("orbit", 5), render_clip("orbit", 5))
    assert not np.array_equal(render_clip("orbit", 5), render_clip("orbit", 6))


def test_size_and_length_are_followed():
    assert render_clip("clap", 1, frames=5, size=(64, 80)).shape == (5, 64, 80, 3)


def test_unknown_motion_is_named():
    with pytest.raises(ValueError, match="'jump' is not one of sway"):
        render_clip("jump", 0)


def test_clips_and_videos_share_no_surface_and_no_outline():
    assert not set(CLIP_TEXTURES) & set(VIDEO_TEXTURES)
    assert not set(CLIP_SHAPES) & set(VIDEO_SHAPES)


def test_difficulty_moves_the_camera():
    def change(difficulty):
        clips = [render_clip("idle", seed, difficulty=difficulty) for seed in range(8)]
        return np.mean([flow_energy(clip).sum() for clip in clips])

    assert change(1.0) > 2 * change(0.0)


def test_flow_tells_sway_from_bounce_from_idle():
    energy = {
        motion: np.mean(
            [flow_energy(render_clip(motion, seed, difficulty=0)) for seed in range(6)], 0
        )
        for motion in ("sway", "bounce", "idle")
    }
    assert energy["sway"][0] > 2 * energy["sway"][1]
    assert energy["bounce"][1] > 2 * energy["bounce"][0]
    assert energy["idle"].sum() < 0.3 * min(energy["sway"].sum(), energy["bounce"].sum())


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


def thumbnails_render_untrimmed(plans):
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
    videos, clip = thumbnails_render_untrimmed(
        plan_videos({"seed": 7, "train": 24, "test": 12})[::6]
    )
    assert np.abs(videos.astype(int) - kept["videos"]).max() <= 2
    assert np.abs(clip.astype(int) - kept["clip"]).max() <= 2


def frames(count, size=(64, 48)):
    for k in range(count):
        yield np.full((size[1], size[0], 3), 40 + 4 * k, np.uint8)


@pytest.mark.parametrize("fps", [Fraction(24), Fraction(25), Fraction(30000, 1001)])
def test_frames_and_times_come_back(tmp_path, fps):
    write_mp4(tmp_path / "a.mp4", frames(40), fps, (64, 48), options={"bf": "2"})
    with av.open(str(tmp_path / "a.mp4")) as file:
        assert file.streams.video[0].codec_context.name == "h264"
        assert file.streams.video[0].average_rate == fps
        assert not file.streams.audio
        decoded = list(file.decode(video=0))
    assert len(decoded) == 40
    assert np.allclose([f.time for f in decoded], np.arange(40) / float(fps), atol=1e-4)
    levels = [f.to_ndarray(format="rgb24").mean() for f in decoded]
    assert np.allclose(levels, 40 + 4 * np.arange(40), atol=3)


@pytest.mark.parametrize("channels", [1, 2])
def test_sound_comes_back_in_place(tmp_path, channels):
    rate, seconds = 22050, 2.0
    sound = np.zeros((channels, int(rate * seconds)), np.float32)
    sound[:, rate : rate + 2205] = 0.5 * np.sin(np.arange(2205) * 0.2)
    write_mp4(tmp_path / "a.mp4", frames(50), Fraction(25), (64, 48), sound=sound, rate=rate)
    with av.open(str(tmp_path / "a.mp4")) as file:
        stream = file.streams.audio[0]
        assert (stream.codec_context.name, stream.rate) == ("aac", rate)
        blocks = list(file.decode(audio=0))
    wave = np.concatenate([b.to_ndarray() for b in blocks], axis=1)
    assert wave.shape[0] == channels
    loud = np.nonzero(np.abs(wave[0]) > 0.2)[0] / rate + blocks[0].time
    assert loud[0] == pytest.approx(1.0, abs=0.01)
    assert loud[-1] == pytest.approx(1.1, abs=0.01)


def test_same_input_same_bytes(tmp_path):
    """Whatever lay in memory before, and with B-frames."""
    rng = np.random.default_rng(0)
    (plan,) = [p for p in plan_videos({"seed": 7, "train": 24, "test": 1}) if p.id == "train_23"]
    pictures = list(islice(draw_frames(plan), 120))
    kept = set()
    for _ in range(10):
        litter = [
            np.full(int(rng.integers(1000, 400000)), int(rng.integers(256)), np.uint8)
            for _ in range(int(rng.integers(1, 20)))
        ]
        del litter[::2]
        path = tmp_path / "a.mp4"
        options = {"preset": "veryfast", "crf": "21", "g": "48", "bf": "2"}
        size = (plan.width, plan.height)
        write_mp4(path, pictures, Fraction(*plan.fps), size, options=options)
        kept.add(path.read_bytes())
    assert len(kept) == 1
