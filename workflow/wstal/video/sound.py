"""The one door to sound: any rate and layout to mono, in step with the pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr

from wstal.errors import MediaError, WstalError
from wstal.video.pyav import Faults, decoded, first_time, opened, packets, video_stream

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
    """The sound as mono float32 [S] at `rate` Hz, in [-1, 1]; see `decode_sound`."""
    return decode_sound(path, rate, resampler).samples


def decode_sound(path: str | Path, rate: int = RATE, resampler: str = "soxr") -> Sound:
    """Decode and resample the sound track, sample 0 at the time of the first picture.

    Channels are averaged, then resampled by `soxr` (high quality) or `resampy` (kaiser_best,
    what torchvggish does, about 90 times slower). A track that starts late or has holes is
    filled with silence, what sounds before the first picture is dropped. Raises NoAudio
    without a track, MediaError if it does not decode, WstalError for another resampler.
    """
    faults, parts = Faults(), []
    resample = _resampler(resampler)
    with opened(path) as container:
        stream = container.streams.best("audio")
        if stream is None:
            raise NoAudio(f"{path}: has no sound track")
        offset = _picture_time(path)
        for source_rate, mono in _mono(container, stream, offset, faults):
            parts.append(resample(mono, source_rate, rate))
    if not parts:
        raise MediaError("; ".join([f"{path}: its sound does not decode", *faults.texts()]))
    samples = np.concatenate(parts).astype(np.float32, copy=False)
    return Sound(samples, rate, [f"sound: {text}" for text in faults.texts()])


def _picture_time(path: str | Path) -> float:
    """Second of the first picture on the file's clock; 0 for a file of sound alone."""
    faults = Faults()
    with opened(path) as container:
        try:
            stream = video_stream(path, container)
        except MediaError:
            return 0.0
        for packet in packets(container, [stream], faults):
            for frame in decoded(packet, faults):
                return first_time(stream, np.nan if frame.pts is None else float(frame.time))
    return 0.0


def _mono(container, stream, offset: float, faults: Faults) -> Iterator[tuple[int, np.ndarray]]:
    """(rate, mono float32) runs of one sample rate; nearly always a single one."""
    rate, blocks, have, begin = 0, [], 0, 0.0
    for packet in packets(container, [stream], faults):
        for frame in decoded(packet, faults):
            if frame.sample_rate != rate:
                if blocks:
                    yield rate, np.concatenate(blocks)
                    begin += have / rate
                rate, blocks, have = frame.sample_rate, [], 0
            block = to_mono(frame)
            if frame.pts is not None:
                lag = float(frame.time) - offset - begin - have / rate
                if not blocks and not begin or DRIFT < abs(lag) < JUMP:
                    lead = round(lag * rate)
                    silence = np.zeros(max(0, lead), np.float32)
                    block = np.concatenate([silence, block])[max(0, -lead) :]
            blocks.append(block)
            have += len(block)
    if blocks:
        yield rate, np.concatenate(blocks)


def to_mono(frame) -> np.ndarray:
    """Mean over the channels of an audio frame, float32 [n] in [-1, 1]."""
    array, channels = frame.to_ndarray(), frame.layout.nb_channels
    if not frame.format.is_planar:
        array = array.reshape(-1, channels).T
    if array.dtype.kind == "u":
        array = (array.astype(np.float64) - 128) / 128
    elif array.dtype.kind == "i":
        array = array / float(-np.iinfo(array.dtype).min)
    return array.mean(axis=0, dtype=np.float64).astype(np.float32)


def _resampler(name: str):
    if name == "soxr":
        return lambda mono, source, rate: soxr.resample(mono, source, rate, quality="HQ")
    if name == "resampy":
        import resampy  # slow to import, and only for exact comparison

        return lambda mono, source, rate: (
            mono if source == rate else resampy.resample(mono, source, rate, filter="kaiser_best")
        )
    raise WstalError(f"resampler {name!r} is neither soxr nor resampy")
