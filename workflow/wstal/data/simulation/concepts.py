"""What a simulated stream can show: concepts, how strong they are and which column holds each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

STREAMS = ("rgb", "flow")


@dataclass(frozen=True)
class Evidence:
    """Strengths are those of a plain action's 1; lengths in seconds."""

    phases: int  # concepts per action, shown one after the other
    groups: int  # groups of classes that share surroundings
    clutter_kinds: int
    scenes: int
    movers: int  # concepts of people moving, shared by actions and background
    strength_sd: float  # of log strength, per instance
    weak_stream: float  # probability that one stream shows an instance weakly
    weak_strength: float
    border_share: float  # of an instance at either end
    border_strength: float
    mover: float  # people moving, in actions and in false evidence
    context_base: float  # surroundings of the video's classes, all the time
    context_inside: float  # and in the action
    context_beside: float  # and just before and after it
    context_elsewhere: float  # share of shots that show the surroundings of any class
    context_seconds: float
    context_probability: float
    false_per_minute: float
    false_seconds: float
    false_own_class: float  # probability that it is of a class of the video
    false_strength: float
    shot_seconds: float
    clutter_share: float  # of shots
    clutter_strength: float
    scene_strength: float
    noise: float  # standard deviation of every concept's noise
    noise_correlation: float  # of the noise, from snippet to snippet


@dataclass(frozen=True)
class Video:
    """What the simulator needs of an annotated video; classes as indices."""

    id: str
    labels: Sequence[int]
    segments: Sequence[tuple[float, float, int]]  # start, end (seconds), class
    snippets: int


@dataclass(frozen=True)
class Columns:
    """Where each kind of concept stands among the columns of a stream."""

    classes: int
    evidence: Evidence

    def action(self, label: int, phase: int) -> int:
        """Column of a phase of a class's action."""
        return label * self.evidence.phases + phase

    @property
    def _after_actions(self) -> int:
        return self.classes * self.evidence.phases

    def context(self, label: int) -> tuple[int, int]:
        """Columns of a class's own surroundings and of those it shares with its group."""
        own = self._after_actions + label
        return own, self._after_actions + self.classes + label % self.evidence.groups

    def of(self, kind: str) -> slice:
        """Columns of the movers, the clutter or the scenes."""
        start = self._after_actions + self.classes + self.evidence.groups
        for name in ("movers", "clutter_kinds", "scenes"):
            size = getattr(self.evidence, name)
            if name == kind:
                return slice(start, start + size)
            start += size
        raise KeyError(kind)

    @property
    def count(self) -> int:
        """Number of concepts of a stream."""
        return self.of("scenes").stop
