"""The frames and audio stages: a verified timeline and 16 kHz mono sound per video."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import av
import cv2
import h5py
import hdf5plugin
import numpy as np
import soxr
from annotated_types import Gt

from wstal.base.array_store import (
    NO_AUDIO,
    PARTIAL,
    ArrayFile,
    Record,
    artefact_key,
    process_shard,
    read_attrs,
)
from wstal.base.errors import MediaError
from wstal.base.files import atomic_path
from wstal.media.frames import read_frames
from wstal.media.probe import ProbedVideo
from wstal.media.sound import RATE, NoAudio, decode_sound
from wstal.media.timeline import timeline

FULL_SCALE = 32768  # of the stored sound: codes / FULL_SCALE lie in [-1, 1)


@dataclass(frozen=True)
class FrameSettings:
    """Section `frames` of a feature recipe: the pictures that the recipe's networks see."""

    NO_NUMBERS: ClassVar[tuple[str, ...]] = ("decoder",)  # decoders agree on the pictures

    # Frames per second of the time grid; 25 in I3D, W-TALC, STPN and CO2-Net.
    fps: Annotated[float, Gt(0)] = 25
    # pyav keeps what decodes of a damaged file; docs/features.md compares the three.
    decoder: Literal["pyav", "decord", "torchcodec"] = "pyav"
    # Keep the pictures themselves, not only which frame belongs to which time: large.
    cache_frames: bool = False


@dataclass(frozen=True)
class AudioSettings:
    """Section `audio` of a feature recipe: the sound that VGGish hears."""

    NO_NUMBERS: ClassVar[tuple[str, ...]] = ()

    rate: Literal[16000] = 16000  # Hz; VGGish's
    # resampy is what torchvggish uses: exact, but about a hundred times slower.
    resampler: Literal["soxr", "resampy"] = "soxr"


def decode_frames(
    videos: Iterable[ProbedVideo],
    directory: str | Path,
    recipe: Mapping[str, Any],
    code: str,
    track: Callable[[Iterable], Iterable] = iter,
) -> list[Record]:
    """Write the timeline of each video and return the shard's records.

    `recipe` is the frames section: fps, decoder, cache_frames. A file holds frame_index int64
    [N], times float64 [F] and, with cache_frames, rgb uint8 [N, H, W, 3]; its attributes are
    those of `Timeline`, fps (of the grid), video (path) and decoder. rows = N.
    """
    # backends agree on the pictures: which one read them is provenance, not identity
    identity = {"fps": recipe["fps"], "cache_frames": bool(recipe.get("cache_frames"))}
    decoder = recipe.get("decoder", "pyav")

    def make(video: ProbedVideo, file: ArrayFile) -> int:
        line = timeline(video.path, recipe["fps"], decoder)
        attrs = asdict(line)
        file.write("frame_index", attrs.pop("frame_index"))
        file.write("times", attrs.pop("times"))
        file.set_status(attrs.pop("status"), attrs.pop("reason"))
        file.attrs.update(attrs)
        file.attrs.update(fps=recipe["fps"], video=str(video.path), decoder=decoder)
        if identity["cache_frames"]:
            _cache_pictures(file, video.path, line.frame_index, decoder)
        return len(line.frame_index)

    provenance = _provenance("frames", recipe, code)
    records = _shard(videos, "frames", directory, identity, code, make, provenance, track)
    usable = {record.id: record for record in records if record.usable}
    for video in videos:
        if video.id in usable:
            _follow_video(Path(directory) / usable[video.id].path, video.path)
    return records


def decode_audio(
    videos: Iterable[ProbedVideo],
    directory: str | Path,
    recipe: Mapping[str, Any],
    code: str,
    track: Callable[[Iterable], Iterable] = iter,
) -> list[Record]:
    """Write the sound of each video as int16 [S] and return the shard's records.

    `recipe` is the audio section: rate, and resampler (soxr, or resampy). A video without a
    track, or with one that does not decode, has an empty array and status no_audio: its
    pictures still count. rows = S.
    """
    rate, resampler = recipe.get("rate", RATE), recipe.get("resampler", "soxr")

    def make(video: ProbedVideo, file: ArrayFile) -> int:
        samples = np.zeros(0, np.float32)
        try:
            sound = decode_sound(video.path, rate, resampler)
            samples = sound.samples
            if sound.faults:
                file.set_status(PARTIAL, "; ".join(sound.faults))
        except NoAudio:
            file.set_status(NO_AUDIO, "no sound track")
        except MediaError as error:
            file.set_status(NO_AUDIO, str(error))
        codes = np.clip(np.rint(samples * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1)
        file.write("sound", codes.astype(np.int16))
        file.attrs["rate"] = rate
        return len(codes)

    provenance = _provenance("audio", recipe, code)
    return _shard(videos, "audio", directory, dict(recipe), code, make, provenance, track)


def _shard(videos, stage, directory, identity, code, make, provenance, track) -> list[Record]:
    """Process what the probe found usable; pass on the status of the rest."""
    usable, passed = [], []
    for video in videos:
        if video.usable:
            usable.append(video)
        else:
            passed.append(Record(video.id, video.status, 0, "", "", "", video.reason))
    return passed + process_shard(
        usable,
        stage=stage,
        directory=directory,
        key_of=lambda video: artefact_key(video.sha256, stage, identity, code),
        make=make,
        provenance=provenance,
        track=track,
    )


def _cache_pictures(file: ArrayFile, path: Path, index: np.ndarray, decoder: str) -> None:
    stream = None
    for chunk in read_frames(path, index, decoder=decoder, chunk=16):
        if stream is None:
            shape = chunk.shape[1:]
            stream = file.stream("rgb", shape, np.uint8, chunk_rows=16, **hdf5plugin.Zstd(1))
        stream.append(chunk)


def _follow_video(path: Path, video: Path) -> None:
    """A kept timeline of a video that was moved since learns where it lies now."""
    if read_attrs(path)["video"] != str(video):
        with atomic_path(path) as temporary:
            shutil.copyfile(path, temporary)
            with h5py.File(temporary, "r+") as file:
                file.attrs["video"] = str(video)


def _provenance(stage: str, recipe: Mapping[str, Any], code: str) -> dict[str, Any]:
    versions = {
        "av": av.__version__,
        "ffmpeg": ".".join(map(str, av.library_versions["libavcodec"])),
        "opencv": cv2.__version__,
        "soxr": soxr.__version__,
    }
    return {"stage": stage, "recipe": dict(recipe), "code": code, "versions": versions}
