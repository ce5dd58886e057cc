"""Trimmed clips for pretraining: one motion throughout, in surfaces the demo videos lack."""

from __future__ import annotations

import numpy as np

from wstal.data.render.camera import draw_camera
from wstal.data.render.cast import (
    Look,
    Pair,
    draw_anchor,
    draw_background,
    draw_distractor,
    draw_look,
    draw_object_size,
)
from wstal.data.render.motion import MOTIONS, PAIRED, Motion, Pose, draw_motion, reach
from wstal.data.render.scene import Actor, Scene, draw_grain
from wstal.data.render.sound import SOUNDS, render_sound
from wstal.data.render.sprite import CLIP_SHAPES, Sprite
from wstal.data.render.texture import CLIP_TEXTURES

__all__ = ["MOTIONS", "SOUNDS", "render_clip", "render_sound"]

CLIP_SEEDS = 0x0C11  # keeps the seeds of clips apart from those of the videos
IDLE_STATES = ("rest", "drift", "absent", "two at rest")


def render_clip(
    motion: str,
    seed: int,
    *,
    frames: int = 17,
    size: tuple[int, int] = (112, 112),
    fps: float = 25,
    difficulty: float = 1.0,
) -> np.ndarray:
    """Render one clip of a motion of `MOTIONS`: uint8 RGB [frames, H, W, 3].

    `size` is (height, width); objects keep their size in pixels, so a small picture is a close
    crop (they shrink only where they would not fit). `difficulty` from 0 to 1 ramps camera motion
    and the number of distractors. `idle` shows an object at rest or adrift, two objects at rest,
    or none. The same arguments give the same clip. Raises ValueError for an unknown motion.
    """
    rng = np.random.default_rng([CLIP_SEEDS, seed])
    performance = draw_motion(motion, rng, phase=rng.uniform(0, 2 * np.pi))
    look = draw_look(rng, CLIP_SHAPES, CLIP_TEXTURES)
    half = (size[1] / 2, size[0] / 2)
    count = int(round(difficulty * rng.uniform(0, 3)))
    distractors = [draw_distractor(rng, look, half) for _ in range(count)]
    scene = Scene(
        background=draw_background(rng, look, size),
        actors=[*distractors, *_heroes(performance, look, half, rng)],
        camera=draw_camera(rng, difficulty),
        size=size,
        grain=draw_grain(rng, size, rng.uniform(0.5, 2.0)),
    )
    return np.stack([scene.draw(k / fps) for k in range(frames)])


def _heroes(
    motion: Motion,
    look: Look,
    half: tuple[float, float],
    rng: np.random.Generator,
) -> list[Actor]:
    state = IDLE_STATES[int(rng.integers(4))] if motion.name == "idle" else "act"
    if state == "absent":
        return []
    companion = motion.name in PAIRED or state == "two at rest" or rng.random() < 0.3
    size = draw_object_size(rng, companion)
    gap = 4 * motion.amplitude if motion.name == "clap" else rng.uniform(18, 28)
    beside = (size + gap) / 2 if companion else 0.0
    extent = (beside + size / 2 + reach(motion), size / 2 + reach(motion))
    if motion.name == "swap":
        extent = (extent[0], extent[0])
    fit = min(1.0, (min(half) - 3) / max(extent))
    size, gap, motion = size * fit, gap * fit, motion.scaled(fit)
    direction = motion.direction if motion.name in PAIRED else rng.normal(0, 0.07)
    pair = Pair(size + gap if companion else 0.0, direction)
    if motion.name == "swap":
        motion = motion.with_amplitude(pair.separation / 2)
    anchor = draw_anchor(rng, half, (extent[0] * fit, extent[1] * fit))
    heading, pace = rng.uniform(0, 2 * np.pi), rng.uniform(3, 12) if state == "drift" else 0.0
    drift = pace * np.array([np.cos(heading), np.sin(heading)])
    return [
        _performer(motion, index, look.object(rng, size), anchor + pair.offset(index), drift, rng)
        for index in range(2 if companion else 1)
    ]


def _performer(
    motion: Motion,
    index: int,
    sprite: Sprite,
    home: np.ndarray,
    drift: np.ndarray,
    rng: np.random.Generator,
) -> Actor:
    angle = rng.uniform(0, 2 * np.pi)
    middle = (0.0, 0.5 * motion.amplitude) if motion.name == "bounce" and index == 0 else (0, 0)

    def place(now: float) -> tuple[Pose, float]:
        pose = motion.poses(now)[index]
        x, y = home + middle + drift * now
        return pose._replace(dx=x + pose.dx, dy=y + pose.dy, angle=angle + pose.angle), 1.0

    return Actor(sprite, place)
