"""An AVE-like clip drawn from its plan: pictures and sound."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from wstal.data.render.camera import draw_camera
from wstal.data.render.cast import Look, draw_background, draw_distractor, draw_look
from wstal.data.render.events import FPS, ClipPlan
from wstal.data.render.motion import Pose
from wstal.data.render.scene import Actor, Scene, draw_grain
from wstal.data.render.sound import render_sound
from wstal.data.render.sprite import VIDEO_SHAPES, make_sprite
from wstal.data.render.texture import VIDEO_TEXTURES
from wstal.data.render.troupe import Troupe, draw_troupe

CLIP_SEEDS = 0xA7EC
TEMPO = FPS / 25  # a period of a motion fits a snippet of a second as it does one of 0.64 s
FAINT = (0.3, 0.45)  # opacity of what is hard to see
NOISE = 0.02  # root mean square of the background sound


def draw_clip_frames(plan: ClipPlan) -> Iterator[np.ndarray]:
    """Yield the pictures of a clip, uint8 RGB [H, W, 3], frame k as it stands at k / fps."""
    scene = build_clip_scene(plan)
    for k in range(plan.frames):
        yield scene.draw(k * plan.fps[1] / plan.fps[0])


def build_clip_scene(plan: ClipPlan) -> Scene:
    """Draw everything the plan leaves open from its seed."""
    rng = np.random.default_rng([CLIP_SEEDS, plan.seed])
    size, half = (plan.height, plan.width), (plan.width / 2, plan.height / 2)
    look = draw_look(rng, VIDEO_SHAPES, VIDEO_TEXTURES)
    background = draw_background(rng, look, size)
    distractors = [draw_distractor(rng, look, half) for _ in range(int(rng.integers(1, 4)))]
    camera, grain = draw_camera(rng), draw_grain(rng, size, rng.uniform(0.5, 1.5))
    troupe = draw_troupe(rng, look, plan.acts, plan.duration, TEMPO)
    actors = [*distractors, *troupe.heroes]
    if plan.view == "faint":
        opacity = rng.uniform(*FAINT)
        actors = [*distractors, *(_faint(hero, opacity) for hero in troupe.heroes)]
    if plan.view == "covered":
        actors.append(_cover(plan, look, troupe, rng))
    return Scene(background, actors, camera, size, grain)


def draw_clip_sound(plan: ClipPlan, rate: int) -> np.ndarray:
    """The sound of a clip, float32 [S] at `rate` Hz: noise, and `plan.sounds` at `plan.level`."""
    noise = render_sound("background", plan.seed, plan.duration, rate)
    track = noise * (NOISE / _rms(noise))
    loudness = NOISE * 10 ** (plan.level / 20)
    for number, sound in enumerate(plan.sounds, 1):
        wave = render_sound(sound.label, plan.seed + number, sound.end - sound.start, rate)
        edge = np.minimum(np.arange(len(wave)), np.arange(len(wave))[::-1]) / (0.03 * rate)
        wave = wave * (loudness / _rms(wave)) * np.clip(edge, 0, 1)
        start = round(sound.start * rate)
        first, last = max(start, 0), min(start + len(wave), len(track))
        track[first:last] += wave[first - start : last - start]
    return np.clip(track, -1, 1).astype(np.float32)


def _rms(wave: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(wave, dtype=np.float64))))


def _faint(actor: Actor, factor: float) -> Actor:
    def place(now: float) -> tuple[Pose, float]:
        pose, opacity = actor.place(now)
        return pose, factor * opacity

    return Actor(actor.sprite, place)


def _cover(plan: ClipPlan, look: Look, troupe: Troupe, rng: np.random.Generator) -> Actor:
    """Something at rest before half of the object that performs the event."""
    size = 1.3 * troupe.size
    mean = look.brightness - look.lift / 2
    sprite = make_sprite(rng, ("plate",), look.textures, size, mean=mean, contrast=0.4)
    angle = rng.uniform(0, 2 * np.pi)
    place = troupe.stay.at((plan.event.start + plan.event.end) / 2) + troupe.pair.offset(0)
    x, y = place + size / 2 * np.array([np.cos(angle), np.sin(angle)])
    return Actor(sprite, lambda now: (Pose(x, y, angle), 1.0))
