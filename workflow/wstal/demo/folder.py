"""The demo dataset: untrimmed videos with known actions, rendered into a folder of own videos."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np

from wstal.base.files import atomic_path, write_csv
from wstal.base.parallel import worker_pool
from wstal.datasets.folder import BACKGROUND
from wstal.demo.clips import (
    draw_clip_frames,
    draw_clip_sound,
    draw_frames,
    draw_soundtrack,
    write_mp4,
)
from wstal.demo.events import ClipPlan, plan_events
from wstal.demo.plan import VideoPlan, plan_videos

TRUNCATED_SHARE = 0.6  # of the bytes that remain of the file that is cut short


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
    events` those of AVE-like clips (`plan_events`); both raise WstalError. The label files come
    last: where they stand, all videos do.
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
    """Write `directory`/{id}.mp4 atomically, cut short where the plan says so."""
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


class _Sized:
    """An iterator of known length, for progress."""

    def __init__(self, items: Iterable, length: int):
        self.items, self.length = items, length

    def __iter__(self):
        return iter(self.items)

    def __len__(self) -> int:
        return self.length
