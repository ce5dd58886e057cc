"""An untrimmed video drawn from its plan: pictures and sound."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from wstal.data.render.camera import draw_camera
from wstal.data.render.cast import (
    Look,
    Pair,
    draw_background,
    draw_distractor,
    draw_look,
    draw_object_size,
)
from wstal.data.render.motion import ACTIONS, PAIRED, Pose, draw_motion, reach
from wstal.data.render.performance import FADE, Act, Stay, draw_stay, smooth
from wstal.data.render.plan import VideoPlan
from wstal.data.render.scene import Actor, Scene, draw_grain
from wstal.data.render.sound import render_sound
from wstal.data.render.sprite import PROP_SHAPES, VIDEO_SHAPES, Sprite
from wstal.data.render.texture import VIDEO_TEXTURES

VIDEO_SEEDS = 0x71DE0
CROP = 56.0  # half of the central square, scene units: every action happens inside


def draw_frames(plan: VideoPlan) -> Iterator[np.ndarray]:
    """Yield the pictures of a video, uint8 RGB [H, W, 3], frame k as it stands at k / fps."""
    scene = build_scene(plan)
    for k in range(plan.frames):
        yield scene.draw(k * plan.fps[1] / plan.fps[0])


def draw_soundtrack(plan: VideoPlan, rate: int) -> np.ndarray:
    """The sound of a video, float32 [S] at `rate` Hz: a background and the planned sounds."""
    track = render_sound("background", plan.seed, plan.duration, rate)
    for number, sound in enumerate(plan.sounds, 1):
        start = max(int(sound.start * rate), 0)
        length = min(sound.end, plan.duration) - start / rate
        wave = render_sound(sound.label, plan.seed + number, length, rate)
        edge = np.minimum(np.arange(len(wave)), np.arange(len(wave))[::-1]) / (0.03 * rate)
        end = min(start + len(wave), len(track))
        track[start:end] += (0.8 * wave * np.clip(edge, 0, 1))[: end - start]
    return np.clip(track, -1, 1).astype(np.float32)


def build_scene(plan: VideoPlan) -> Scene:
    """Draw everything the plan leaves open from its seed."""
    rng = np.random.default_rng([VIDEO_SEEDS, plan.seed])
    scale = min(plan.width, plan.height) / (2 * CROP)
    size = (plan.height, plan.width)
    look = draw_look(rng, VIDEO_SHAPES, VIDEO_TEXTURES)
    half = (plan.width / scale / 2, plan.height / scale / 2)
    background = draw_background(rng, look, size, scale)
    distractors = [draw_distractor(rng, look, half) for _ in range(int(rng.integers(1, 4)))]
    camera = draw_camera(rng)
    grain = draw_grain(rng, size, rng.uniform(0.5, 1.5))
    heroes = _heroes_and_props(plan, look, rng)
    return Scene(background, [*distractors, *heroes], camera, size, grain, scale)


def _heroes_and_props(plan: VideoPlan, look: Look, rng: np.random.Generator) -> list[Actor]:
    paired = bool(PAIRED & set(plan.labels))
    companion = paired or rng.random() < 0.35  # two objects at rest are no sign of a clap
    size = draw_object_size(rng, companion)
    motions = [draw_motion(action.label, rng) for action in plan.actions]
    clap = [motion.amplitude for motion in motions if motion.name == "clap"]
    gap = 4 * max(clap) if clap else rng.uniform(18, 28)
    direction = rng.normal(0, 0.07)
    beside = (size + gap) / 2 if companion else 0.0
    clearance = size / 2 + max(reach(motion) for motion in motions)
    fit = min(1.0, (CROP - 4) / (beside + clearance))
    size, beside, clearance = fit * size, fit * beside, fit * clearance
    acts = [
        Act(action.start, action.end, motion.scaled(fit))
        for action, motion in zip(plan.actions, motions, strict=True)
    ]
    pair = Pair(2 * beside, direction)
    room = np.clip(CROP - 4 - np.array([beside + clearance, clearance]), 0, 14)
    stay = draw_stay(rng, plan.actions, plan.duration, tuple(room))
    heroes = [
        _hero(index, look.object(rng, size), pair, stay, acts, rng.uniform(0, 2 * np.pi))
        for index in range(2 if companion else 1)
    ]
    props = [
        prop for act in acts if (prop := _prop(act, look, stay, clearance, pair, rng)) is not None
    ]
    return [*props, *heroes]


def _hero(
    index: int, sprite: Sprite, pair: Pair, stay: Stay, acts: list[Act], angle: float
) -> Actor:
    offset = pair.offset(index)

    def place(now: float) -> tuple[Pose, float]:
        x, y = stay.at(now) + offset
        pose = Pose(x, y, angle)
        for act in acts:
            if now >= act.start:
                move = act.poses(now)[index]
                pose = Pose(
                    pose.dx + move.dx, pose.dy + move.dy, pose.angle + move.angle, move.sx, move.sy
                )
        return pose, stay.opacity(now)

    return Actor(sprite, place)


def _prop(
    act: Act, look: Look, stay: Stay, clearance: float, pair: Pair, rng: np.random.Generator
) -> Actor | None:
    """Context: an outline that belongs to the class, in view before, during and after an action.

    It is there for about six actions in ten, and one prop in five belongs to another class.
    """
    shown, right = rng.random() < 0.6, rng.random() < 0.8
    kind = ACTIONS.index(act.motion.name) if right else int(rng.integers(len(ACTIONS)))
    shape = Look((PROP_SHAPES[kind],), look.textures, look.brightness, look.lift)
    sprite = shape.object(rng, rng.uniform(13, 18), contrast=0.3)
    side, along = rng.choice((-1.0, 1.0)), rng.uniform(-1, 1)
    early, late = rng.uniform(0.5, 1.5, 2)
    drift, angle = rng.uniform(-3, 3, 2), rng.uniform(0, 2 * np.pi)
    middle = stay.at((act.start + act.end) / 2)
    width = pair.separation / 2 + clearance
    home = middle + (along * width, side * (clearance + sprite.size / 2 + 2))

    def place(now: float) -> tuple[Pose, float]:
        shown = smooth((now - act.start + early) / FADE) * smooth((act.end + late - now) / FADE)
        x, y = home + drift * (now - act.start)
        return Pose(x, y, angle), shown

    return Actor(sprite, place) if shown else None
