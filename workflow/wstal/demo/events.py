"""AVE-like clips of ten seconds with one event that is seen and heard: plan, pictures, sound.

In AVE (Tian et al., ECCV 2018) a second belongs to an event if that is visible and audible; all
others are background. The design follows, and was fixed before anything was trained on it:

* A class is a motion with a sound. Two motions belong to two classes each and so do two sounds, as
  ukuleles look like guitars and buses sound like trucks: half of the classes can be recognised
  only by sound, half only by sight.
* Around the event are motions without their sound and sounds without their motion, of its own class
  and of others.
* In half of the clips one sense is weak (faint or half covered; soft or masked by another sound),
  never both: the two together always show what happens.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from wstal.base.errors import WstalError
from wstal.demo.casting import (
    Event,
    Look,
    Troupe,
    draw_background,
    draw_distractor,
    draw_look,
    draw_troupe,
)
from wstal.demo.motion import ACTIONS, SOUNDS, Pose, render_sound
from wstal.demo.pictures import (
    VIDEO_SHAPES,
    VIDEO_TEXTURES,
    Actor,
    Scene,
    draw_camera,
    draw_grain,
    make_sprite,
)

SECONDS = 10
FPS = 16
SIDE = 112  # pixels
CLASSES = {  # class: its motion and its sound
    "sway_bells": ("sway", "bells"),
    "sway_buzz": ("sway", "buzz"),
    "spin_siren": ("spin", "siren"),
    "spin_thumps": ("spin", "thumps"),
    "bounce_clicks": ("bounce", "clicks"),
    "clap_clicks": ("clap", "clicks"),
    "orbit_tremolo": ("orbit", "tremolo"),
    "pulse_tremolo": ("pulse", "tremolo"),
}
EVENT_SOUNDS = tuple(dict.fromkeys(sound for _, sound in CLASSES.values()))
STRAY_SOUNDS = tuple(name for name in SOUNDS if name not in {*EVENT_SOUNDS, "background"})
VIEWS = ("clear", "faint", "covered")
HEARINGS = ("clear", "soft", "masked")
# Every fourth clip is hard to see, every fourth hard to hear.
SENSES = 4 * [("clear", "clear")] + [
    *(("faint", "clear"), ("covered", "clear"), ("clear", "soft"), ("clear", "masked"))
]
WHOLE = 0.4  # share of clips that are event throughout (AVE: 0.66, which leaves little to localize)
LENGTHS = (2, 8)  # whole seconds of the other events, uniform, as in AVE
AROUND = ("nothing", "seen", "heard", "other seen", "other heard")  # before and after, uniform
LOUD, SOFT = (10.0, 16.0), (0.0, 4.0)  # dB over the noise
JITTER = 0.15  # seconds by which acts and sounds miss the whole seconds of the labels
SPLITS = ("train", "val", "test")
KEYS = {"content", "seed", "background", *SPLITS}
PLAN_SEEDS = 0xA7E
CLIP_SEEDS = 0xA7EC
TEMPO = FPS / 25  # a period of a motion fits a snippet of a second as it does one of 0.64 s
FAINT = (0.3, 0.45)  # opacity of a faint object
NOISE = 0.02  # root mean square of the background sound


@dataclass(frozen=True)
class ClipPlan:
    """One clip; `acts` are its motions and `sounds` its sounds, times in seconds.

    `event` is the stretch of whole seconds in which the class is seen and heard, None in a clip
    of background alone. `view` is one of VIEWS, `level` the sounds' loudness over the noise in
    dB. `seed` draws everything that the plan leaves open.
    """

    id: str
    split: str
    seed: int
    event: Event | None
    acts: tuple[Event, ...]
    sounds: tuple[Event, ...]
    view: str
    level: float
    fps: tuple[int, int] = (FPS, 1)
    width: int = SIDE
    height: int = SIDE
    frames: int = SECONDS * FPS
    audio: bool = True
    truncated: bool = False

    @property
    def labels(self) -> list[str]:
        """The class, or nothing."""
        return [action.label for action in self.actions]

    @property
    def actions(self) -> tuple[Event, ...]:
        """The rows of segments.csv."""
        return (self.event,) if self.event else ()

    @property
    def duration(self) -> float:
        """Seconds."""
        return float(SECONDS)


class Sides(NamedTuple):
    """What happens before or after an event: motions and sounds."""

    acts: list[Event]
    sounds: list[Event]


def plan_events(config: Mapping[str, int | str]) -> list[ClipPlan]:
    """Plan `train` + `val` + `test` clips, and `background` training clips without an event.

    Each class occurs equally often in a split whose size is a multiple of eight. Raises
    WstalError for a missing or unknown key, and for a value that is not a whole number.
    """
    if set(config) != KEYS:
        raise WstalError(f"render: has the keys {sorted(config)}; expected {sorted(KEYS)}")
    for key in ("seed", "background", *SPLITS):
        least = 0 if key in ("seed", "background") else 1
        if type(config[key]) is not int or config[key] < least:
            raise WstalError(f"render: {key} is {config[key]!r}; a whole number is expected")
    plans: list[ClipPlan] = []
    for number, split in enumerate(SPLITS):
        count, rng = config[split], np.random.default_rng([PLAN_SEEDS, config["seed"], number])
        whole = rng.permutation(np.arange(count) < round(WHOLE * count))
        senses = rng.permutation(np.arange(count) % len(SENSES))
        for index in range(count):
            label = list(CLASSES)[index % len(CLASSES)]
            name = f"{split}_{index:03d}"
            plans.append(_event_clip(name, split, label, whole[index], SENSES[senses[index]], rng))
        if split == "train":
            names = [f"background_{index:03d}" for index in range(config["background"])]
            plans += [_background_clip(name, rng) for name in names]
    return plans


def _event_clip(
    name: str,
    split: str,
    label: str,
    whole: bool,
    senses: tuple[str, str],
    rng: np.random.Generator,
) -> ClipPlan:
    motion, sound = CLASSES[label]
    length = SECONDS if whole else int(rng.integers(LENGTHS[0], LENGTHS[1] + 1))
    start = int(rng.integers(SECONDS - length + 1))
    end = start + length
    before, seen_from, heard_from = _side(start, label, rng, lambda a, b: (start - b, start - a))
    after, seen_for, heard_for = _side(SECONDS - end, label, rng, lambda a, b: (end + a, end + b))
    view, hearing = senses
    act = _jittered(start - seen_from, end + seen_for, motion, rng)
    heard = [_jittered(start - heard_from, end + heard_for, sound, rng)]
    if hearing == "masked":
        heard.append(_jittered(start, end, _stray(rng), rng))
    return ClipPlan(
        id=name,
        split=split,
        seed=int(rng.integers(2**31)),
        event=Event(float(start), float(end), label),
        acts=tuple(sorted([*before.acts, act, *after.acts], key=lambda each: each.start)),
        sounds=(*heard, *before.sounds, *after.sounds, *_strays(rng)),
        view=view,
        level=round(float(rng.uniform(*(SOFT if hearing == "soft" else LOUD))), 2),
    )


def _side(gap: int, label: str, rng: np.random.Generator, at) -> tuple[Sides, int, int]:
    """Draw what happens in the `gap` seconds beside an event.

    Returns other acts and sounds, and how long the event's own are seen and heard there. `at` turns
    distances from the event into start and end.
    """
    kind, reach = AROUND[int(rng.integers(len(AROUND)))], int(rng.integers(1, max(gap, 1) + 1))
    motion, sound = CLASSES[label]
    if gap and kind == "seen":
        return Sides([], []), reach, 0
    if gap and kind == "heard":
        return Sides([], []), 0, reach
    if gap < 2 or kind not in ("other seen", "other heard"):
        return Sides([], []), 0, 0
    away = int(rng.integers(1, gap))  # at least a second between them
    span = at(away, min(away + int(rng.integers(1, 4)), gap))
    if kind == "other seen":
        others = [name for name in ACTIONS if name != motion]
        return Sides([_jittered(*span, others[int(rng.integers(len(others)))], rng)], []), 0, 0
    others = [name for name in EVENT_SOUNDS if name != sound]
    return Sides([], [_jittered(*span, others[int(rng.integers(len(others)))], rng)]), 0, 0


def _background_clip(name: str, rng: np.random.Generator) -> ClipPlan:
    """Draw a motion without sound and a sound without motion, one after the other."""
    lengths = rng.integers(2, 5, 2)
    first = int(rng.integers(0, SECONDS - lengths.sum()))
    second = int(rng.integers(first + lengths[0] + 1, SECONDS - lengths[1] + 1))
    spans = [(first, first + lengths[0]), (second, second + lengths[1])]
    seen = int(rng.integers(2))
    act = _jittered(*spans[seen], ACTIONS[int(rng.integers(len(ACTIONS)))], rng)
    heard = EVENT_SOUNDS[int(rng.integers(len(EVENT_SOUNDS)))]
    return ClipPlan(
        id=name,
        split="train",
        seed=int(rng.integers(2**31)),
        event=None,
        acts=(act,),
        sounds=(_jittered(*spans[1 - seen], heard, rng), *_strays(rng)),
        view="clear",
        level=round(float(rng.uniform(*LOUD)), 2),
    )


def _jittered(start: float, end: float, label: str, rng: np.random.Generator) -> Event:
    """Move an event off the whole second; at the ends of the clip, extend it beyond them."""
    early, late = rng.uniform(-JITTER, JITTER, 2)
    start = start + early if start > 0 else -0.5
    end = end + late if end < SECONDS else SECONDS + 0.5
    return Event(round(float(start), 2), round(float(end), 2), label)


def _stray(rng: np.random.Generator) -> str:
    return STRAY_SOUNDS[int(rng.integers(len(STRAY_SOUNDS)))]


def _strays(rng: np.random.Generator) -> list[Event]:
    """Draw up to two sounds of no class, at any moment."""
    strays = []
    for _ in range(int(rng.integers(3))):
        length = rng.uniform(1.0, 2.5)
        start = rng.uniform(0, SECONDS - length)
        strays.append(Event(round(start, 2), round(start + length, 2), _stray(rng)))
    return strays


def draw_clip_frames(plan: ClipPlan) -> Iterator[np.ndarray]:
    """Yield the pictures of a clip, uint8 RGB `[H, W, 3]`: frame k shows the time k / fps."""
    scene = build_clip_scene(plan)
    for k in range(plan.frames):
        yield scene.draw(k * plan.fps[1] / plan.fps[0])


def build_clip_scene(plan: ClipPlan) -> Scene:
    """Draw everything that the plan leaves open from its seed."""
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
    """Return the sound of a clip, float32 `[S]` at `rate` Hz: noise and the planned sounds."""
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
    """Draw an object at rest that covers half of the one that performs the event."""
    size = 1.3 * troupe.size
    mean = look.brightness - look.lift / 2
    sprite = make_sprite(rng, ("plate",), look.textures, size, mean=mean, contrast=0.4)
    angle = rng.uniform(0, 2 * np.pi)
    place = troupe.stay.at((plan.event.start + plan.event.end) / 2) + troupe.pair.offset(0)
    x, y = place + size / 2 * np.array([np.cos(angle), np.sin(angle)])
    return Actor(sprite, lambda now: (Pose(x, y, angle), 1.0))
