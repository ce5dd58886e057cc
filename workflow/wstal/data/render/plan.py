"""The plan of the demo videos: what happens when in each, before anything is drawn."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np

from wstal.data.render.motion import ACTIONS
from wstal.data.render.sound import SOUNDS
from wstal.errors import WstalError

FRAME_RATES = ((24, 1), (25, 1), (30000, 1001), (30, 1))
SIZES = ((112, 112), (144, 112), (160, 120), (128, 128), (112, 144))  # width, height
CLASS_SOUNDS = {"bounce": "thumps", "spin": "siren", "pulse": "tremolo", "clap": "clicks"}
STRAY_SOUNDS = tuple(s for s in SOUNDS if s not in {*CLASS_SOUNDS.values(), "background"})
PLAN_SEEDS = 0xDE40


@dataclass(frozen=True)
class Event:
    """A labelled stretch of time in seconds, half-open: an action or a sound."""

    start: float
    end: float
    label: str


@dataclass(frozen=True)
class VideoPlan:
    """One untrimmed video. `fps` is a fraction, `seed` draws everything the plan leaves open."""

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
        """The classes that occur, in the order of `ACTIONS`."""
        return [name for name in ACTIONS if any(event.label == name for event in self.actions)]

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.frames * self.fps[1] / self.fps[0]


def plan_videos(config: Mapping[str, int]) -> list[VideoPlan]:
    """Plan `train` + `test` videos from `seed`, and one more training file to be cut short.

    Each class occurs equally often in a split whose size is a multiple of twelve. Raises
    WstalError for a missing, unknown or unusable key.
    """
    if set(config) != {"seed", "train", "test"}:
        raise WstalError(f"render: has the keys {sorted(config)}; expected seed, test and train")
    bad = [k for k, v in config.items() if type(v) is not int or v < (k != "seed")]
    if bad:
        raise WstalError(f"render: {bad[0]} is {config[bad[0]]!r}; a whole number is expected")
    plans: list[VideoPlan] = []
    for number, split in enumerate(("train", "test")):
        spare = split == "train"
        count = config[split]
        rng = np.random.default_rng([PLAN_SEEDS, config["seed"], number])
        rates = rng.permutation(np.arange(count + spare) % len(FRAME_RATES))
        sizes = rng.permutation(np.arange(count + spare) % len(SIZES))
        for index in range(count + spare):
            duration, actions = _timeline(_script(index), rng)
            fps = FRAME_RATES[rates[index]]
            plans.append(
                VideoPlan(
                    id=f"{split}_{index:02d}",
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


def plan_digest(plans: list[VideoPlan]) -> str:
    """sha256 of a plan: two renderers with one digest were asked for the same videos."""
    text = json.dumps([asdict(plan) for plan in plans], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _script(index: int) -> list[str]:
    """The classes of a video's actions: 2 to 4 of its own, or of its own and of another class.

    Rounds of six videos have one of each class. Over two rounds every class occurs six times;
    over four, every class has shared a video with another.
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
    """Place actions of 1.8 to 4.2 s, at least 1 s apart, in 16 to 24 s, of which 44 % at most."""
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
    """Some classes sound, most of the time; other sounds come at any moment."""
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
