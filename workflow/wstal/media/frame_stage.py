"""The stage `frames`: the verified timeline of each video, and its pictures if they are kept."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import h5py
import hdf5plugin
import numpy as np
from annotated_types import Gt

from wstal.base.array_store import ArrayFile, Record, read_attrs, seal
from wstal.base.files import atomic_path, stored_path
from wstal.base.stage import Job, StageInput
from wstal.media.frames import choose_decoder, read_frames, read_timeline
from wstal.media.stage import DecodingStage


@dataclass(frozen=True)
class FrameSettings:
    """Section `frames` of a feature recipe: the pictures that the recipe's networks see."""

    NO_NUMBERS: ClassVar[tuple[str, ...]] = (
        "decoder",
    )  # one that gives other pictures is not used

    # Frames per second of the time grid; 25 in I3D, W-TALC, STPN and CO2-Net.
    fps: Annotated[float, Gt(0)] = 25
    # pyav keeps what decodes of a damaged file; docs/features.md compares the three.
    decoder: Literal["pyav", "decord", "torchcodec"] = "pyav"
    # Keep the pictures themselves, not only which frame belongs to which time: large.
    cache_frames: bool = False


class FrameStage(DecodingStage):
    """The timeline of each video.

    A file has frame_index int64 [N], times float64 [F] and, with cache_frames, rgb uint8
    [N, H, W, 3]; its attributes are those of `Timeline`, fps (of the grid), video (its path) and
    the decoder of its pictures: the recipe's, or pyav with the reason. rows = N.
    """

    name = "frames"
    settings = FrameSettings

    def maker(self, settings: FrameSettings, job: Job) -> Callable[[StageInput, ArrayFile], int]:
        """Return the function that decodes a video and writes its timeline."""

        def make(video: StageInput, file: ArrayFile) -> int:
            path = video.files["video"]
            line = read_timeline(path, settings.fps)
            decoder, refusal = choose_decoder(path, line.frame_index, settings.decoder)
            attrs = asdict(line)
            file.write("frame_index", attrs.pop("frame_index"))
            file.write("times", attrs.pop("times"))
            texts = [text for text in (attrs.pop("reason"), refusal) if text]
            file.set_status(attrs.pop("status"), "; ".join(texts))
            file.attrs.update(attrs)
            file.attrs.update(fps=settings.fps, video=stored_path(path), decoder=decoder)
            if settings.cache_frames:
                _cache_pictures(file, path, line.frame_index, decoder)
            return len(line.frame_index)

        return make

    def shard(self, shards: Mapping[str, Path], settings: FrameSettings, job: Job) -> list[Record]:
        """Make or keep the timeline of every video of a probe; a kept one follows a moved video."""
        records = super().shard(shards, settings, job)
        files = {record.id: record.path for record in records if record.usable}
        for video in self.read(shards)[0]:
            if video.id in files:
                _follow_video(job.directory / files[video.id], video.files["video"])
        return records


def _cache_pictures(file: ArrayFile, path: Path, index: np.ndarray, decoder: str) -> None:
    stream = None
    for chunk in read_frames(path, index, decoder=decoder, chunk=16):
        if stream is None:
            shape = chunk.shape[1:]
            stream = file.stream("rgb", shape, np.uint8, chunk_rows=16, **hdf5plugin.Zstd(1))
        stream.append(chunk)


def _follow_video(path: Path, video: Path) -> None:
    """Record the new path of a video that was moved since its timeline was made."""
    if read_attrs(path)["video"] != stored_path(video):
        with atomic_path(path) as temporary:
            shutil.copyfile(path, temporary)
            with h5py.File(temporary, "r+") as file:
                file.attrs["video"] = stored_path(video)
                seal(file)


STAGES = {"frames": FrameStage()}
