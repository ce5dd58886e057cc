"""The untrimmed demo videos: the plan of what happens when, their pictures, sound and files.

The plan is drawn first and frozen by a test; each video's seed draws everything that it leaves
open. Pictures and sound become MP4 files (H.264 and AAC) in a folder of own videos, some of them in
stereo or cut short, as files from elsewhere are; labels.csv and segments.csv list what happens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import numpy as np

from wstal.base.errors import WstalError
from wstal.base.files import atomic_path, write_csv
from wstal.base.parallel import worker_pool
from wstal.datasets.folder import BACKGROUND
from wstal.demo.casting import (
    CROP,
    FADE,
    Act,
    Event,
    Look,
    Troupe,
    draw_background,
    draw_distractor,
    draw_look,
    draw_troupe,
    smooth,
)
from wstal.demo.events import ClipPlan, draw_clip_frames, draw_clip_sound, plan_events
from wstal.demo.motion import ACTIONS, SOUNDS, Pose, render_sound
from wstal.demo.pictures import (
    PROP_SHAPES,
    VIDEO_SHAPES,
    VIDEO_TEXTURES,
    Actor,
    Scene,
    draw_camera,
    draw_grain,
)

FRAME_RATES = ((24, 1), (25, 1), (30000, 1001), (30, 1))
SIZES = ((112, 112), (144, 112), (160, 120), (128, 128), (112, 144))  # width, height
CLASS_SOUNDS = {"bounce": "thumps", "spin": "siren", "pulse": "tremolo", "clap": "clicks"}
STRAY_SOUNDS = tuple(s for s in SOUNDS if s not in {*CLASS_SOUNDS.values(), "background"})
PLAN_SEEDS = 0xDE40
VIDEO_SEEDS = 0x71DE0


@dataclass(frozen=True)
class VideoPlan:
    """One untrimmed video; `fps` is a fraction, `seed` draws what the plan leaves open."""

    id: str
    split: str
    seed: int
    fps: tuple[int, int]
    width: int
    height: int
    frames: int
    actions: tuple[Event, ...]
    sounds: tuple[Event, ...]
    audio: bool = True
    truncated: bool = False

    @property
    def labels(self) -> list[str]:
        """The classes of its actions, in the order of `ACTIONS`."""
        return [name for name in ACTIONS if any(event.label == name for event in self.actions)]

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.frames * self.fps[1] / self.fps[0]


def plan_videos(config: Mapping[str, int]) -> list[VideoPlan]:
    """Plan `train` + `test` videos from `seed`, and one more training file that is cut short.

    With `test_seed` the same training videos come with others to score, whose ids start with
    `val`. Each class occurs equally often in a split whose size is a multiple of twelve. Raises
    WstalError for a missing or unknown key, and for a value that is not a whole number.
    """
    if set(config) - {"test_seed"} != {"seed", "train", "test"}:
        raise WstalError(
            f"render: has the keys {sorted(config)}; expected seed, test and train, and test_seed "
            "for other videos to score"
        )
    bad = [k for k, v in config.items() if type(v) is not int or v < ("seed" not in k)]
    if bad:
        raise WstalError(f"render: {bad[0]} is {config[bad[0]]!r}; a whole number is expected")
    plans: list[VideoPlan] = []
    for number, split in enumerate(("train", "test")):
        spare = split == "train"
        count = config[split]
        name, seed = split, config["seed"]
        if split == "test" and "test_seed" in config:
            name, seed = "val", config["test_seed"]
        rng = np.random.default_rng([PLAN_SEEDS, seed, number])
        rates = rng.permutation(np.arange(count + spare) % len(FRAME_RATES))
        sizes = rng.permutation(np.arange(count + spare) % len(SIZES))
        for index in range(count + spare):
            duration, actions = _timeline(_script(index), rng)
            fps = FRAME_RATES[rates[index]]
            plans.append(
                VideoPlan(
                    id=f"{name}_{index:02d}",
                    split=split,
                    seed=int(rng.integers(2**31)),
                    fps=fps,
                    width=SIZES[sizes[index]][0],
                    height=SIZES[sizes[index]][1],
                    frames=int(duration * fps[0] / fps[1]),
                    actions=actions,
                    sounds=_sounds(duration, actions, rng),
                    audio=not (spare and index == count // 2),
                    truncated=index == count,
                )
            )
    return plans


def _script(index: int) -> list[str]:
    """Return the classes of a video's 2 to 4 actions: of its own class, or of another one, too.

    Six videos in a row have one own class each. In twelve, every class occurs six times; in 24,
    every class has shared a video with another.
    """
    turn, own = index // len(ACTIONS) % 4, index % len(ACTIONS)
    odd = own % 2 == 1
    ours, other = ACTIONS[own], ACTIONS[(own + (2 if turn == 1 else 4)) % len(ACTIONS)]
    match turn:
        case 0:
            return (2 if odd else 4) * [ours]
        case 1:
            return 2 * [ours, other] if odd else 2 * [ours]
        case 2:
            return 3 * [ours]
        case _:
            return 3 * [ours] if odd else [ours, other, ours]


def _timeline(script: list[str], rng: np.random.Generator) -> tuple[float, tuple[Event, ...]]:
    """Place actions of 1.8 to 4.2 s at least 1 s apart in 16 to 24 s; they take 44 % at most."""
    labels = rng.permutation(script)
    count = len(labels)
    duration = round(rng.uniform(*{2: (16, 19), 3: (19, 22), 4: (22, 24)}[count]), 2)
    beyond = 2.4 * rng.random(count) ** 1.3
    lengths = 1.8 + beyond * min(1.0, (0.44 * duration - 1.8 * count) / beyond.sum())
    slack = duration - lengths.sum() - 1.1 * (count + 1)
    gaps = 1.1 + slack * rng.dirichlet(np.full(count + 1, 2.0))
    starts = np.cumsum(gaps[:-1]) + np.cumsum(lengths) - lengths
    return duration, tuple(
        Event(round(float(start), 2), round(float(start + length), 2), str(label))
        for start, length, label in zip(starts, lengths, labels, strict=True)
    )


def _sounds(
    duration: float, actions: tuple[Event, ...], rng: np.random.Generator
) -> tuple[Event, ...]:
    """Draw the sounds: most actions of some classes have one, others come at any moment."""
    sounds = []
    for action in actions:
        early, late, chance = *rng.uniform(-0.2, 0.2, 2), rng.random()
        if action.label in CLASS_SOUNDS and chance < 0.85:
            span = round(action.start + early, 2), round(action.end + late, 2)
            sounds.append(Event(*span, CLASS_SOUNDS[action.label]))
    for _ in range(int(rng.integers(2, 5))):
        length = rng.uniform(1.0, 2.5)
        start = round(rng.uniform(0, duration - length), 2)
        name = STRAY_SOUNDS[int(rng.integers(len(STRAY_SOUNDS)))]
        sounds.append(Event(start, round(start + length, 2), name))
    return tuple(sorted(sounds, key=lambda sound: sound.start))


def draw_frames(plan: VideoPlan) -> Iterator[np.ndarray]:
    """Yield the pictures of a video, uint8 RGB `[H, W, 3]`: frame k shows the time k / fps."""
    scene = build_scene(plan)
    for k in range(plan.frames):
        yield scene.draw(k * plan.fps[1] / plan.fps[0])


def draw_soundtrack(plan: VideoPlan, rate: int) -> np.ndarray:
    """Return the sound of a video, float32 `[S]` at `rate` Hz: background and planned sounds."""
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
    """Draw everything that the plan leaves open from its seed."""
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
    """Draw context: an outline of the class that is visible before, during and after an action.

    About six actions in ten have one, and one prop in five belongs to another class.
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


TRUNCATED_SHARE = 0.6  # of the bytes that remain of the file that is cut short
AUDIO_BLOCK = 1024  # samples per AAC frame
# With B-frames, x264's macroblock tree sometimes gives other bytes for the same pictures.
REPEATABLE = {"x264-params": "mbtree=0"}


@dataclass(frozen=True)
class Rendered:
    """A written video file."""

    id: str
    path: Path


def render_demo(
    directory: str | Path,
    config: Mapping[str, int | str],
    *,
    jobs: int = 1,
    track: Callable[[Iterable], Iterable] = iter,
) -> list[VideoPlan] | list[ClipPlan]:
    """Write every planned video, labels.csv and segments.csv; return the plan.

    `config` has seed, train and test for untrimmed videos (`plan_videos`), and with `content:
    events` those of AVE-like clips (`plan_events`); both raise WstalError. The label files are
    written last: if they exist, all videos do.
    """
    directory = Path(directory)
    plans = plan_events(config) if config.get("content") == "events" else plan_videos(config)
    draw = partial(render_video, directory=directory)
    if jobs > 1:
        with worker_pool(jobs) as pool:
            for _ in track(_Sized(pool.map(draw, plans), len(plans))):
                pass
    else:
        for plan in track(plans):
            draw(plan)
    write_csv(
        directory / "labels.csv",
        ("video", "labels", "split"),
        (
            {"video": p.id, "labels": ";".join(p.labels) or BACKGROUND, "split": p.split}
            for p in plans
        ),
    )
    write_csv(
        directory / "segments.csv",
        ("video", "t_start", "t_end", "label"),
        (
            {"video": p.id, "t_start": a.start, "t_end": a.end, "label": a.label}
            for p in plans
            for a in p.actions
        ),
    )
    return plans


def render_video(plan: VideoPlan | ClipPlan, directory: Path) -> Rendered:
    """Write `directory`/{id}.mp4 atomically, cut short if the plan says so."""
    rng = np.random.default_rng(plan.seed)
    rate = int(rng.choice((22050, 44100, 48000)))
    clip = isinstance(plan, ClipPlan)
    sound = None
    if plan.audio:
        sound = draw_clip_sound(plan, rate) if clip else draw_soundtrack(plan, rate)
        if rng.random() < 0.5:
            sound = np.stack([sound * rng.uniform(0.6, 1), sound * rng.uniform(0.6, 1)])
    options = {
        "preset": "veryfast",
        "crf": str(rng.choice((19, 21, 23))),
        "g": str(rng.choice((12, 48, 250))),
        "bf": str(rng.choice((0, 2))),
    }
    path = Path(directory) / f"{plan.id}.mp4"
    with atomic_path(path) as temporary:
        write_mp4(
            temporary,
            draw_clip_frames(plan) if clip else draw_frames(plan),
            Fraction(*plan.fps),
            (plan.width, plan.height),
            sound=sound,
            rate=rate,
            options=options,
        )
        if plan.truncated:
            with temporary.open("r+b") as file:
                file.truncate(int(temporary.stat().st_size * TRUNCATED_SHARE))
    return Rendered(plan.id, path)


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
    """Encode frames uint8 RGB `[H, W, 3]` at `fps`; `size` is (width, height), even numbers.

    `sound` is float32 `[S]` or `[2, S]` at `rate` Hz, or None for no sound track. `options` go to
    libx264. The index is written last, as recorders do: a file cut short cannot be opened.
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


class _Sized:
    """An iterator of known length, for progress."""

    def __init__(self, items: Iterable, length: int):
        self.items, self.length = items, length

    def __iter__(self):
        return iter(self.items)

    def __len__(self) -> int:
        return self.length
