"""Scenes: textures, sprites at fractions of a pixel, and the camera."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from wstal.demo.motion import ACTIONS, MOTIONS, SOUNDS, Pose
from wstal.demo.pictures import (
    CLIP_SHAPES,
    CLIP_TEXTURES,
    OVERSAMPLE,
    PROP_SHAPES,
    VIDEO_SHAPES,
    VIDEO_TEXTURES,
    Actor,
    Scene,
    Sprite,
    draw_camera,
    draw_grain,
    make_sprite,
    pattern,
    surface,
)
from wstal.demo.pretrain import render_clip


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


@pytest.mark.parametrize("shape", CLIP_SHAPES + VIDEO_SHAPES + PROP_SHAPES)
def test_outline_fills_its_size(shape):
    sprite = make_sprite(np.random.default_rng(1), (shape,), VIDEO_TEXTURES, 30, mean=0.6)
    alpha = sprite.pixels[..., 3]
    assert (sprite.pixels[..., :3] <= alpha[..., None]).all()  # premultiplied
    rows, columns = np.nonzero(alpha > 127)
    across = max(np.ptp(rows), np.ptp(columns)) / OVERSAMPLE
    assert 19 < across <= 31
    assert alpha[0].max() == 0 and alpha[:, -1].max() == 0  # a margin for interpolation


def test_every_action_has_its_own_prop():
    assert len(set(PROP_SHAPES)) == len(ACTIONS)


def test_ring_has_a_hole():
    sprite = make_sprite(np.random.default_rng(1), ("ring",), VIDEO_TEXTURES, 30, mean=0.6)
    middle = sprite.pixels.shape[0] // 2
    assert sprite.pixels[middle, middle, 3] == 0


@pytest.mark.parametrize("name", CLIP_TEXTURES + VIDEO_TEXTURES)
def test_pattern_fills_its_range_with_detail(name):
    grey = pattern(name, np.random.default_rng(2), 90, 120)
    assert grey.shape == (90, 120) and grey.dtype == np.float32
    assert grey.min() == 0 and grey.max() == 1
    gradient = np.hypot(*np.gradient(grey))
    assert (gradient > 0.01).mean() > 0.6


@pytest.mark.parametrize("families", [CLIP_TEXTURES, VIDEO_TEXTURES])
def test_surface_keeps_brightness_and_contrast(families):
    for seed in range(12):
        colour = surface(families, np.random.default_rng(seed), 64, 80, mean=0.5, contrast=0.4)
        grey = colour.mean(axis=-1)
        assert colour.shape == (64, 80, 3)
        assert grey.mean() == pytest.approx(0.5, abs=0.1)
        assert np.ptp(grey) == pytest.approx(0.4, abs=0.05)


def test_unknown_pattern_is_refused():
    with pytest.raises(KeyError):
        pattern("marble", np.random.default_rng(0), 8, 8)


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


# Trimmed clips: their shape, and motions that differ for an independent flow.


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
