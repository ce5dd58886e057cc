"""The plan of the demo videos: what happens when in each, before anything is drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from wstal.base.errors import WstalError
from wstal.demo.motion import ACTIONS, PAIRED, Motion, Pose, draw_motion, reach
from wstal.demo.pictures import MARGIN, Actor, Sprite, make_sprite, surface
from wstal.demo.sound import SOUNDS

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


# FOLDED Casting: the objects of a scene and where they stand, alike for all classes.


@dataclass(frozen=True)
class Look:
    """The families that surfaces and outlines of a scene are drawn from, and its light."""

    shapes: tuple[str, ...]
    textures: tuple[str, ...]
    brightness: float
    lift: float

    def object(self, rng: np.random.Generator, size: float, contrast: float = 0.7) -> Sprite:
        """An object of `size` scene units that stands out from the background by the lift."""
        mean = self.brightness + self.lift
        return make_sprite(rng, self.shapes, self.textures, size, mean=mean, contrast=contrast)


def draw_look(rng: np.random.Generator, shapes: tuple[str, ...], textures: tuple[str, ...]) -> Look:
    """Draw the light: background brightness, and objects 0.15-0.35 above or below it."""
    brightness = rng.uniform(0.35, 0.65)
    lift = rng.uniform(0.15, 0.35) * (1 if brightness < 0.5 else -1)
    return Look(shapes, textures, brightness, lift)


def draw_background(
    rng: np.random.Generator, look: Look, size: tuple[int, int], scale: float = 1.0
) -> np.ndarray:
    """A background uint8 [H, W, 3] with a margin around a picture of `size`; contrast 0.3-0.6."""
    margin = int(np.ceil(2 * MARGIN * scale))
    colour = surface(
        look.textures,
        rng,
        size[0] + margin,
        size[1] + margin,
        mean=look.brightness,
        contrast=rng.uniform(0.3, 0.6),
    )
    return np.round(colour * 255).astype(np.uint8)


def draw_distractor(rng: np.random.Generator, look: Look, half: tuple[float, float]) -> Actor:
    """A small object that drifts slowly across the picture on a straight line.

    `half` is half the picture (width, height) in scene units; it wraps around beyond the border.
    """
    sprite = look.object(rng, rng.uniform(9, 15), contrast=0.4)
    span = np.array(half) + sprite.size
    start, heading = rng.uniform(-1, 1, 2) * span, rng.uniform(0, 2 * np.pi)
    velocity = rng.uniform(4, 22) * np.array([np.cos(heading), np.sin(heading)])
    angle, turn = rng.uniform(0, 2 * np.pi), rng.uniform(-0.5, 0.5)

    def place(now: float) -> tuple[Pose, float]:
        x, y = (start + velocity * now + span) % (2 * span) - span
        return Pose(x, y, angle + turn * now), 1.0

    return Actor(sprite, place)


@dataclass(frozen=True)
class Pair:
    """Two places around an anchor; the first object stands there with or without the second."""

    separation: float
    direction: float

    def offset(self, index: int) -> np.ndarray:
        """Where object 0 or 1 stands relative to the middle, scene units [2]."""
        side = (index - 0.5) * self.separation
        return side * np.array([np.cos(self.direction), np.sin(self.direction)])


def draw_object_size(rng: np.random.Generator, pair: bool) -> float:
    """Size of an object in scene units, the same for all motions; two of them are smaller."""
    return rng.uniform(26, 32) if pair else rng.uniform(27, 38)


def draw_anchor(
    rng: np.random.Generator, half: tuple[float, float], extent: tuple[float, float]
) -> np.ndarray:
    """A place [2] for something that reaches `extent` to each side, inside +-`half`, near 0."""
    room = np.clip(np.array(half) - 3 - np.array(extent), 0, 16)
    return rng.uniform(-1, 1, 2) * room


# FOLDED Acting through a whole video: resting, drifting, leaving and coming back between the actions.

RAMP = 0.15  # seconds in which a motion sets in and dies away, inside its segment
FADE = 0.3  # seconds in which an object appears or leaves


def smooth(x: float) -> float:
    """Cubic step from 0 at x <= 0 to 1 at x >= 1."""
    x = min(max(x, 0.0), 1.0)
    return x * x * (3 - 2 * x)


@dataclass(frozen=True)
class Act:
    """A motion between `start` and `end` seconds."""

    start: float
    end: float
    motion: Motion

    def gain(self, now: float) -> float:
        """How strong the motion is at `now`, 0..1."""
        return smooth((now - self.start) / RAMP) * smooth((self.end - now) / RAMP)

    def travelled(self, now: float) -> float:
        """Integral of the gain up to `now`, seconds."""
        passed = min(max(now - self.start, 0.0), self.end - self.start)
        left = self.end - self.start - passed
        return passed - _ramp_loss(passed) - (RAMP / 2 - _ramp_loss(left))

    def poses(self, now: float) -> tuple[Pose, Pose]:
        """Poses of the first and second object; after the end what adds up stays."""
        return self.motion.poses(now - self.start, self.gain(now), self.travelled(now))


def _ramp_loss(seconds: float) -> float:
    """Integral of 1 - gain over the first `seconds` of a ramp (RAMP / 2 over all of it)."""
    x = min(seconds / RAMP, 1.0)
    return RAMP * (x - x**3 + x**4 / 2)


@dataclass(frozen=True)
class Stay:
    """Where a group stands over time: keys (seconds, x, y), and stretches of absence."""

    keys: Sequence[tuple[float, float, float]]
    absences: Sequence[tuple[float, float]]

    def at(self, now: float) -> np.ndarray:
        """Position [2] in scene units."""
        before = self.keys[0]
        for key in self.keys:
            if key[0] > now:
                part = smooth((now - before[0]) / (key[0] - before[0]))
                return np.array(before[1:]) + part * (np.array(key[1:]) - before[1:])
            before = key
        return np.array(before[1:])

    def opacity(self, now: float) -> float:
        """1 where the group is seen, 0 where it is away."""
        return min(
            (1 - smooth((now - gone) / FADE) + smooth((now - back) / FADE + 1))
            for gone, back in [*self.absences, (1e9, 2e9)]
        )


def draw_stay(
    rng: np.random.Generator,
    actions: Sequence[Event],
    duration: float,
    room: tuple[float, float],
) -> Stay:
    """Draw what happens in the gaps: rest, drift by a few units, or absence and another place.

    The group stays within +-`room` of the centre and is in full view during every action.
    """
    room = np.array(room)
    place = rng.uniform(-1, 1, 2) * room
    keys, absences = [(0.0, *place)], []
    starts = [0.0, *(action.end for action in actions)]
    ends = [*(action.start for action in actions), duration]
    for start, end in zip(starts, ends, strict=True):
        state, heading = rng.random(), rng.uniform(0, 2 * np.pi)
        step = rng.uniform(3, 7) * max(end - start, 0.0) ** 0.5
        keys.append((start + 0.01, *place))
        if state < 0.3:
            place = np.clip(
                place + step * np.array([np.cos(heading), np.sin(heading)]), -room, room
            )
            keys.append((end, *place))
        elif state < 0.55 and end - start > 2:
            absences.append((start + 0.3, end - 0.4))
            middle = (start + end) / 2
            keys.append((middle, *place))
            place = rng.uniform(-1, 1, 2) * room
            keys.append((middle + 0.01, *place))
    return Stay(keys, absences)


# FOLDED The objects that act in a video: their looks, where they stand, and what they do when.

CROP = 56.0  # half of the central square, scene units: every action happens inside


@dataclass(frozen=True)
class Troupe:
    """One object or a pair, `size` scene units across; the first (or both) perform the acts.

    `clearance` is how far an act reaches from where the first object stands.
    """

    heroes: list[Actor]
    acts: list[Act]
    stay: Stay
    pair: Pair
    size: float
    clearance: float


def draw_troupe(
    rng: np.random.Generator,
    look: Look,
    actions: Sequence[Event],
    duration: float,
    tempo: float = 1.0,
) -> Troupe:
    """Draw who performs `actions` (labels of `ACTIONS`, seconds) in a video of `duration` s.

    `tempo` multiplies the frequency of every motion.
    """
    paired = bool(PAIRED & {action.label for action in actions})
    companion = paired or rng.random() < 0.35  # two objects at rest are no sign of a clap
    size = draw_object_size(rng, companion)
    motions = [draw_motion(action.label, rng) for action in actions]
    motions = [replace(motion, frequency=tempo * motion.frequency) for motion in motions]
    clap = [motion.amplitude for motion in motions if motion.name == "clap"]
    gap = 4 * max(clap) if clap else rng.uniform(18, 28)
    direction = rng.normal(0, 0.07)
    beside = (size + gap) / 2 if companion else 0.0
    clearance = size / 2 + max((reach(motion) for motion in motions), default=0.0)
    fit = min(1.0, (CROP - 4) / (beside + clearance))
    size, beside, clearance = fit * size, fit * beside, fit * clearance
    acts = [
        Act(action.start, action.end, motion.scaled(fit))
        for action, motion in zip(actions, motions, strict=True)
    ]
    pair = Pair(2 * beside, direction)
    room = np.clip(CROP - 4 - np.array([beside + clearance, clearance]), 0, 14)
    stay = draw_stay(rng, actions, duration, tuple(room))
    heroes = [
        _hero(index, look.object(rng, size), pair, stay, acts, rng.uniform(0, 2 * np.pi))
        for index in range(2 if companion else 1)
    ]
    return Troupe(heroes, acts, stay, pair, size, clearance)


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
