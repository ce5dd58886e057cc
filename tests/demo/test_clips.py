"""Trimmed clips: their shape, and motions that differ for an independent flow."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from wstal.demo.motion import MOTIONS
from wstal.demo.pictures import CLIP_SHAPES, CLIP_TEXTURES, VIDEO_SHAPES, VIDEO_TEXTURES
from wstal.demo.pretrain import render_clip
from wstal.demo.sound import SOUNDS


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
