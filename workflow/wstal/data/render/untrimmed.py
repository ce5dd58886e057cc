"""An untrimmed video drawn from its plan: pictures and sound."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from wstal.data.render.camera import draw_camera
from wstal.data.render.cast import Look, draw_background, draw_distractor, draw_look
from wstal.data.render.motion import ACTIONS, Pose
from wstal.data.render.performance import FADE, Act, smooth
from wstal.data.render.plan import VideoPlan
from wstal.data.render.scene import Actor, Scene, draw_grain
from wstal.data.render.sound import render_sound
from wstal.data.render.sprite import PROP_SHAPES, VIDEO_SHAPES
from wstal.data.render.texture import VIDEO_TEXTURES
from wstal.data.render.troupe import CROP, Troupe, draw_troupe

VIDEO_SEEDS = 0x71DE0


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
    troupe = draw_troupe(rng, look, plan.actions, plan.duration)
    props = [prop for act in troupe.acts if (prop := _prop(act, look, troupe, rng)) is not None]
    return [*props, *troupe.heroes]


def _prop(act: Act, look: Look, troupe: Troupe, rng: np.random.Generator) -> Actor | None:
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
    middle = troupe.stay.at((act.start + act.end) / 2)
    width = troupe.pair.separation / 2 + troupe.clearance
    home = middle + (along * width, side * (troupe.clearance + sprite.size / 2 + 2))

    def place(now: float) -> tuple[Pose, float]:
        shown = smooth((now - act.start + early) / FADE) * smooth((act.end + late - now) / FADE)
        x, y = home + drift * (now - act.start)
        return Pose(x, y, angle), shown

    return Actor(sprite, place) if shown else None
