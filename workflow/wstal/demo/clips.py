"""Trimmed clips for pretraining: one motion throughout, in surfaces the demo videos lack."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from wstal.demo.events import FPS, ClipPlan
from wstal.demo.motion import ACTIONS, MOTIONS, PAIRED, Motion, Pose, draw_motion, reach
from wstal.demo.pictures import (
    CLIP_SHAPES,
    CLIP_TEXTURES,
    PROP_SHAPES,
    VIDEO_SHAPES,
    VIDEO_TEXTURES,
    Actor,
    Scene,
    Sprite,
    draw_camera,
    draw_grain,
    make_sprite,
)
from wstal.demo.plan import (
    CROP,
    FADE,
    Act,
    Look,
    Pair,
    Troupe,
    VideoPlan,
    draw_anchor,
    draw_background,
    draw_distractor,
    draw_look,
    draw_object_size,
    draw_troupe,
    smooth,
)
from wstal.demo.sound import SOUNDS, render_sound

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


# FOLDED Pictures and sound into an MP4 file: H.264 and AAC.

AUDIO_BLOCK = 1024  # samples per AAC frame
# With B-frames, x264's macroblock tree gives other bytes now and then for the same pictures.
REPEATABLE = {"x264-params": "mbtree=0"}


def write_mp4(
    path: str | Path,
    frames: Iterable[np.ndarray],
    fps: Fraction,
    size: tuple[int, int],
    *,
    sound: np.ndarray | None = None,
    rate: int = 44100,
    options: dict[str, str] | None = None,
) -> None:
    """Encode frames uint8 RGB [H, W, 3] at `fps`, `size` = (width, height), even numbers.

    `sound` is float32 [S] or [2, S] at `rate` Hz; None writes no sound track. `options` go to
    libx264. The index is written last, as recorders do, so a file cut short cannot be opened.
    """
    with av.open(str(path), "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        video = container.add_stream("libx264", rate=fps, options=REPEATABLE | (options or {}))
        video.width, video.height = size
        video.pix_fmt = "yuv420p"
        video.codec_context.time_base = 1 / fps
        video.codec_context.thread_count = 1  # the bytes depend on the number of threads
        audio = None
        if sound is not None:
            sound = np.atleast_2d(sound)
            layout = "mono" if len(sound) == 1 else "stereo"
            audio = container.add_stream(
                "aac", rate=rate, layout=layout, options={"aac_coder": "fast"}
            )
            audio.bit_rate = 48000
        done = 0
        for number, picture in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, 1 / fps
            container.mux(video.encode(frame))
            if audio is not None:
                done = _write_sound(container, audio, sound, done, int((number + 1) * rate / fps))
        container.mux(video.encode())
        if audio is not None:
            _write_sound(container, audio, sound, done, sound.shape[1] + AUDIO_BLOCK)
            container.mux(audio.encode())


def _write_sound(container, audio, sound: np.ndarray, done: int, until: int) -> int:
    """Encode whole blocks of samples up to `until` (and the rest at the end); return the count."""
    total = sound.shape[1]
    while done < total and done + AUDIO_BLOCK <= until:
        block = np.ascontiguousarray(sound[:, done : done + AUDIO_BLOCK], dtype=np.float32)
        frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=audio.layout.name)
        frame.sample_rate, frame.pts = audio.rate, done
        frame.time_base = Fraction(1, audio.rate)
        container.mux(audio.encode(frame))
        done += block.shape[1]
    return done


# FOLDED An AVE-like clip drawn from its plan: pictures and sound.

EVENT_CLIP_SEEDS = 0xA7EC
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
    rng = np.random.default_rng([EVENT_CLIP_SEEDS, plan.seed])
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


# FOLDED An untrimmed video drawn from its plan: pictures and sound.

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
