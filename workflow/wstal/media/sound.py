"""The one door to sound: any rate and layout to mono, aligned with the pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr

from wstal.base.errors import MediaError, WstalError
from wstal.media.decoders.pyav import (
    Faults,
    decoded,
    first_time,
    opened,
    packets,
    sound_stream,
    video_stream,
)

RATE = 16000  # Hz
DRIFT = 0.1  # seconds between samples and their time that are jitter, more is a hole
JUMP = 600.0  # seconds; a longer hole is a restarted clock


class NoAudio(MediaError):
    """The file has no sound track."""


@dataclass(frozen=True)
class Sound:
    """Mono float32 `samples` [S] at `rate` Hz; sample 0 belongs to the first picture."""

    samples: np.ndarray
    rate: int
    faults: list[str]


def read_sound(path: str | Path, rate: int = RATE, resampler: str = "soxr") -> np.ndarray:
    """Return the sound as mono float32 [S] at `rate` Hz, in [-1, 1]; see `decode_sound`."""
    return decode_sound(path, rate, resampler).samples


def decode_sound(path: str | Path, rate: int = RATE, resampler: str = "soxr") -> Sound:
    """Decode and resample the sound track, sample 0 at the time of the first picture.

    Channels are averaged, then resampled by `soxr` (high quality) or `resampy` (kaiser_best,
    what torchvggish uses, about 90 times slower). A late start and holes are filled with
    silence; sound before the first picture is dropped. Raises NoAudio if there is no track,
    MediaError if it does not decode, WstalError for another resampler.
    """
    if resampler not in RESAMPLERS:
        raise WstalError(f"resampler {resampler!r} is not one of {', '.join(RESAMPLERS)}")
    faults, parts, source, resample = Faults(), [], 0, None
    with opened(path) as container:
        stream = sound_stream(container)
        if stream is None:
            raise NoAudio(f"{path}: has no sound track")
        for source_rate, block in _mono(container, stream, _picture_time(path), faults):
            if source_rate != source:  # nearly always once
                parts += [resample(np.zeros(0, np.float32), True)] if resample else []
                source, resample = source_rate, RESAMPLERS[resampler](source_rate, rate)
            parts.append(resample(block, False))
    if resample is None:
        raise MediaError("; ".join([f"{path}: its sound does not decode", *faults.texts()]))
    parts.append(resample(np.zeros(0, np.float32), True))
    samples = np.concatenate(parts).astype(np.float32, copy=False)
    return Sound(samples, rate, [f"sound: {text}" for text in faults.texts()])


def _picture_time(path: str | Path) -> float:
    """Return the first picture's second on the file's clock; 0 for a file without pictures."""
    faults = Faults()
    with opened(path) as container:
        try:
            stream = video_stream(path, container)
        except MediaError:
            return 0.0
        for packet in packets(container, [stream], faults):
            for frame in decoded(packet, faults):
                return first_time(container, np.nan if frame.pts is None else float(frame.time))
    return 0.0


def _mono(container, stream, offset: float, faults: Faults) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (sample rate, mono float32 [n]) block by block, holes filled."""
    seconds = 0.0  # of sound so far, from the first picture on
    for packet in packets(container, [stream], faults):
        for frame in decoded(packet, faults):
            rate, block = frame.sample_rate, to_mono(frame)
            lag = 0.0 if frame.pts is None else float(frame.time) - offset - seconds
            if (seconds == 0 or abs(lag) > DRIFT) and abs(lag) < JUMP:
                lead = round(lag * rate)
                silence = np.zeros(max(0, lead), np.float32)
                block = np.concatenate([silence, block])[max(0, -lead) :]
            seconds += len(block) / rate
            yield rate, block


def to_mono(frame) -> np.ndarray:
    """Return the mean over the channels of an audio frame, float32 [n] in [-1, 1]."""
    array, channels = frame.to_ndarray(), frame.layout.nb_channels
    if not frame.format.is_planar:
        array = array.reshape(-1, channels).T
    if array.dtype.kind == "u":
        array = (array.astype(np.float64) - 128) / 128
    elif array.dtype.kind == "i":
        array = array / float(-np.iinfo(array.dtype).min)
    return array.mean(axis=0, dtype=np.float64).astype(np.float32)


class _Soxr:
    """Resamples block by block."""

    def __init__(self, source: int, rate: int) -> None:
        self._stream = soxr.ResampleStream(source, rate, 1, dtype="float32", quality="HQ")

    def __call__(self, block: np.ndarray, last: bool) -> np.ndarray:
        return self._stream.resample_chunk(block, last=last)


class _Resampy:
    """Resamples everything at the end: its filter does not work block by block."""

    def __init__(self, source: int, rate: int) -> None:
        self._rates, self._blocks = (source, rate), [np.zeros(0, np.float32)]

    def __call__(self, block: np.ndarray, last: bool) -> np.ndarray:
        self._blocks.append(block)
        if not last:
            return self._blocks[0]
        import resampy  # slow to import, and only for exact comparison

        mono = np.concatenate(self._blocks)
        if self._rates[0] == self._rates[1]:
            return mono
        return resampy.resample(mono, *self._rates, filter="kaiser_best")


RESAMPLERS = {"soxr": _Soxr, "resampy": _Resampy}
