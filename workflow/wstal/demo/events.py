"""The plan of the AVE-like clips: ten seconds each, with one event that is both seen and heard.

AVE's definition (Tian et al., ECCV 2018) makes the design: a second belongs to an event if it is
visible and audible; all others are background. Hence, before anything was trained on it:

* A class is a motion with a sound. Two motions serve two classes each and so do two sounds, as
  ukuleles look like guitars and buses sound like trucks: half of the classes need the ear to be
  told apart, half the eye.
* Around the event lie motions unheard and sounds unseen, its own class's and others'.
* In half of the clips one sense is weak (faint or half covered; soft or masked by another sound),
  never both: whatever happens can be known from the two together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from wstal.base.errors import WstalError
from wstal.demo.motion import ACTIONS
from wstal.demo.plan import Event
from wstal.demo.sound import SOUNDS

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
WHOLE = 0.4  # of the clips are event throughout (AVE: 0.66, which leaves little to localize)
LENGTHS = (2, 8)  # whole seconds of the other events, evenly, as in AVE
AROUND = ("nothing", "seen", "heard", "other seen", "other heard")  # before and after, evenly
LOUD, SOFT = (10.0, 16.0), (0.0, 4.0)  # dB over the noise
JITTER = 0.15  # seconds: labels are whole seconds, what happens is not
SPLITS = ("train", "val", "test")
KEYS = {"content", "seed", "background", *SPLITS}
PLAN_SEEDS = 0xA7E


@dataclass(frozen=True)
class ClipPlan:
    """One clip. `acts` are motions and `sounds` what is heard, as `Event`s in seconds.

    `event` is the stretch of whole seconds in which the class is seen and heard, None in a clip
    of background alone. `view` is one of VIEWS, `level` the sounds' loudness over the noise in
    dB. `seed` draws everything the plan leaves open.
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
        """What segments.csv lists."""
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
    WstalError for a missing, unknown or unusable key.
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
    """What happens in the `gap` seconds beside an event, and how long it is seen and heard there.

    `at` turns distances from the event into start and end.
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
    """A motion unheard and a sound unseen, one after the other, in any order."""
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
    """Not on the second; at the ends of the clip it comes from before and goes on after it."""
    early, late = rng.uniform(-JITTER, JITTER, 2)
    start = start + early if start > 0 else -0.5
    end = end + late if end < SECONDS else SECONDS + 0.5
    return Event(round(float(start), 2), round(float(end), 2), label)


def _stray(rng: np.random.Generator) -> str:
    return STRAY_SOUNDS[int(rng.integers(len(STRAY_SOUNDS)))]


def _strays(rng: np.random.Generator) -> list[Event]:
    """None to two sounds of no class, at any moment."""
    strays = []
    for _ in range(int(rng.integers(3))):
        length = rng.uniform(1.0, 2.5)
        start = rng.uniform(0, SECONDS - length)
        strays.append(Event(round(start, 2), round(start + length, 2), _stray(rng)))
    return strays
