"""A small folder of own videos, and the answers of a person who watched them.

Short clips of three actions, as somebody's camera gave them: names without meaning, other sizes
and rates, one file cut short. `plan_folder` says what happens in each; `folder_answers` what a
person would write down: labels of all clips but one, segments of the test clips but the last two.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from wstal.demo.casting import Event
from wstal.demo.motion import ACTIONS
from wstal.demo.videos import FRAME_RATES, SIZES, VideoPlan

LABELS = ACTIONS[1::2]  # three actions: bounce, spin, clap
TRAIN, TEST = 12, 14
LATER = 2  # test clips that are annotated later; the last one has no label before
FOLDER_SEEDS = 0xF01D


def plan_folder(seed: int) -> list[VideoPlan]:
    """Plan the clips: for training, one more that is cut short, and for testing.

    A clip has one or two actions of one class. `seed` draws everything.
    """
    rng = np.random.default_rng([FOLDER_SEEDS, seed])
    numbers = rng.permutation(TRAIN + 1 + TEST)
    plans = []
    for index, number in enumerate(numbers):
        own = index if index <= TRAIN else index - TRAIN - 1  # within its split
        duration, actions = _timeline(LABELS[own % len(LABELS)], 1 + own % 2, rng)
        fps = FRAME_RATES[rng.integers(len(FRAME_RATES))]
        width, height = SIZES[rng.integers(len(SIZES))]
        plans.append(
            VideoPlan(
                id=f"clip_{number:02d}",
                split="train" if index <= TRAIN else "test",
                seed=int(rng.integers(2**31)),
                fps=fps,
                width=width,
                height=height,
                frames=int(duration * fps[0] / fps[1]),
                actions=actions,
                sounds=(),
                truncated=index == TRAIN,
            )
        )
    return plans


def _timeline(label: str, count: int, rng: np.random.Generator) -> tuple[float, tuple[Event, ...]]:
    """Place `count` actions of 2 to 3.5 s at least 1 s apart; each has 6 s of the clip."""
    actions = []
    for index in range(count):
        length = rng.uniform(2.0, 3.5)
        start = 6 * index + rng.uniform(0.6, 5.4 - length)
        actions.append(Event(round(float(start), 2), round(float(start + length), 2), label))
    return 6.0 * count + 2.0, tuple(actions)


class Answers(NamedTuple):
    """Rows of labels.csv and of segments.csv, and the segments that are marked later."""

    labels: list[dict[str, Any]]
    segments: list[dict[str, Any]]
    later: list[dict[str, Any]]


def folder_answers(plans: Sequence[VideoPlan]) -> Answers:
    """Return what a person gives for the planned clips, in the order of their names."""
    late = [plan.id for plan in plans if plan.split == "test"][-LATER:]
    ordered = sorted(plans, key=lambda plan: plan.id)
    labels = [
        {
            "video": f"{plan.id}.mp4",
            "labels": "" if plan.id == late[-1] else ";".join(plan.labels),
            "split": plan.split,
        }
        for plan in ordered
    ]
    segments = [
        {"video": plan.id, "t_start": each.start, "t_end": each.end, "label": each.label}
        for plan in ordered
        if plan.split == "test"
        for each in plan.actions
    ]
    now = [row for row in segments if row["video"] not in late]
    return Answers(labels, now, [row for row in segments if row["video"] in late])
