"""The one door to sound, any rate and layout to mono beside its pictures; and the stage `audio`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import soxr

from wstal.base.array_store import NO_AUDIO, PARTIAL, ArrayFile
from wstal.base.errors import MediaError, WstalError
from wstal.base.stage import Job, StageInput
from wstal.media.decoders.pyav import (
    Faults,
    PlayedPackets,
    decoded,
    first_picture,
    opened,
    sound_stream,
    video_stream,
    why_silent,
)
from wstal.media.stage import DecodingStage
from wstal.media.timeline import FOREVER, second_zero

RATE = 16000  # Hz
DRIFT = 0.1  # seconds between samples and their time that are jitter, more is a hole
SILENCE = 60  # seconds at a time, of a hole that may last for hours
FULL_SCALE = 32768  # of the stored sound: codes / FULL_SCALE lie in [-1, 1)


class NoAudio(MediaError):
    """The file has no sound track, or none that decodes here; `reason` says which."""

    def __init__(self, path: str | Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.reason = reason


@dataclass(frozen=True)
class Sound:
    """Mono float32 `samples` [S] at `rate` Hz; sample 0 belongs to second 0 of the timeline."""

    samples: np.ndarray
    rate: int
    faults: list[str]


def read_sound(path: str | Path, rate: int = RATE, resampler: str = "soxr") -> np.ndarray:
    """Return the sound as mono float32 [S] at `rate` Hz, in [-1, 1]; see `decode_sound`."""
    return decode_sound(path, rate, resampler).samples


def decode_sound(path: str | Path, rate: int = RATE, resampler: str = "soxr") -> Sound:
    """Decode and resample the sound track, sample 0 at second 0 (`second_zero`).

    Channels are averaged, then resampled by `soxr` (high quality) or `resampy` (kaiser_best,
    what torchvggish uses, about 90 times slower). A late start and holes are filled with
    silence; sound before second 0 is dropped. Raises NoAudio if there is no track that decodes,
    MediaError if the file does not open, WstalError for another resampler.
    """
    if resampler not in RESAMPLERS:
        raise WstalError(f"resampler {resampler!r} is not one of {', '.join(RESAMPLERS)}")
    faults, parts, source, resample = Faults(), [], 0, None
    with opened(path) as container:
        stream = sound_stream(path, container)
        if stream is None:
            raise NoAudio(path, why_silent(container))
        try:
            video = video_stream(path, container)
        except MediaError:  # sound alone
            video = None
        played = PlayedPackets(container, video, stream, faults)
        for source_rate, block in _mono(played, stream, first_picture(path), faults):
            if source_rate != source:  # nearly always once
                parts += [resample(np.zeros(0, np.float32), True)] if resample else []
                source, resample = source_rate, RESAMPLERS[resampler](source_rate, rate)
            parts.append(resample(block, False))
    if resample is None:
        raise MediaError("; ".join([f"{path}: its sound does not decode", *faults.texts()]))
    parts.append(resample(np.zeros(0, np.float32), True))
    samples = np.concatenate(parts).astype(np.float32, copy=False)
    return Sound(samples, rate, [f"sound: {text}" for text in faults.texts()])


def _mono(
    played: PlayedPackets, stream, picture: float | None, faults: Faults
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (sample rate, mono float32 [n]) block by block from second 0 on, holes filled.

    `picture` is the second of the first picture on the file's clock.
    """
    origin, seconds = None, 0.0  # second 0 on the file's clock; seconds of sound so far
    jumps = 0
    for packet in played:
        if packet.stream.index != stream.index:
            continue
        for frame in decoded(packet, faults):
            rate, block = frame.sample_rate, to_mono(frame)
            if origin is None and frame.pts is not None:
                at = float(frame.time)
                origin = second_zero(at if picture is None else picture, at)
            lag = 0.0 if frame.pts is None else float(frame.time) - origin - seconds
            exact = seconds == 0 or played.jumps(stream) != jumps
            if (exact or abs(lag) > DRIFT) and abs(lag) < FOREVER:
                lead, jumps = round(lag * rate), played.jumps(stream)
                while lead > rate * SILENCE:
                    seconds, lead = seconds + SILENCE, lead - rate * SILENCE
                    yield rate, np.zeros(rate * SILENCE, np.float32)
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
    """Resamples everything at the end: its filter does not work block by block.

    The result is as long as soxr's, n * rate / source samples rounded; resampy itself drops a last
    part, and refuses sound of which nothing would be left.
    """

    def __init__(self, source: int, rate: int) -> None:
        self._rates, self._blocks = (source, rate), [np.zeros(0, np.float32)]

    def __call__(self, block: np.ndarray, last: bool) -> np.ndarray:
        self._blocks.append(block)
        if not last:
            return self._blocks[0]
        import resampy  # slow to import, and only for exact comparison

        mono, (source, rate) = np.concatenate(self._blocks), self._rates
        length = int(len(mono) * rate / source + 0.5)
        if source == rate or not length:
            return mono[:length]
        mono = np.pad(mono, (0, source // rate + 1))
        return resampy.resample(mono, source, rate, filter="kaiser_best")[:length]


RESAMPLERS = {"soxr": _Soxr, "resampy": _Resampy}


@dataclass(frozen=True)
class AudioSettings:
    """Section `audio` of a feature recipe: the sound that VGGish hears."""

    NO_NUMBERS: ClassVar[tuple[str, ...]] = ()

    rate: Literal[16000] = 16000  # Hz; VGGish's
    # resampy is what torchvggish uses: exact, but about a hundred times slower.
    resampler: Literal["soxr", "resampy"] = "soxr"


class AudioStage(DecodingStage):
    """The sound of each video, int16 [S] in the array `sound`. rows = S.

    A video whose track is missing or does not decode has an empty array and the status no_audio:
    its pictures still count.
    """

    name = "audio"
    settings = AudioSettings

    def maker(self, settings: AudioSettings, job: Job) -> Callable[[StageInput, ArrayFile], int]:
        """Return the function that decodes the sound of a video."""

        def make(video: StageInput, file: ArrayFile) -> int:
            samples = np.zeros(0, np.float32)
            try:
                sound = decode_sound(video.files["video"], settings.rate, settings.resampler)
                samples = sound.samples
                if sound.faults:
                    file.set_status(PARTIAL, "; ".join(sound.faults))
            except NoAudio as error:
                file.set_status(NO_AUDIO, error.reason)
            except MediaError as error:
                file.set_status(NO_AUDIO, str(error))
            codes = np.clip(np.rint(samples * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1)
            file.write("sound", codes.astype(np.int16))
            file.attrs["rate"] = settings.rate
            return len(codes)

        return make


STAGES = {"audio": AudioStage()}
