"""The demo dataset: planned videos rendered into a folder of own videos.

Pictures and sound become MP4 files (H.264 and AAC), some of them in stereo or cut short, as files
from elsewhere are; labels.csv and segments.csv list what happens in them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import numpy as np

from wstal.base.files import atomic_path, write_csv
from wstal.base.parallel import worker_pool
from wstal.datasets.folder import BACKGROUND
from wstal.demo.events import ClipPlan, draw_clip_frames, draw_clip_sound, plan_events
from wstal.demo.videos import VideoPlan, draw_frames, draw_soundtrack, plan_videos

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
