"""The stage `audio`: the sound of each video as 16 kHz mono."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from wstal.base.array_store import NO_AUDIO, PARTIAL, ArrayFile
from wstal.base.errors import MediaError
from wstal.base.stage import Job, StageInput
from wstal.media.sound import NoAudio, decode_sound
from wstal.media.stage import DecodingStage

FULL_SCALE = 32768  # of the stored sound: codes / FULL_SCALE lie in [-1, 1)


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
            except NoAudio:
                file.set_status(NO_AUDIO, "no sound track")
            except MediaError as error:
                file.set_status(NO_AUDIO, str(error))
            codes = np.clip(np.rint(samples * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1)
            file.write("sound", codes.astype(np.int16))
            file.attrs["rate"] = settings.rate
            return len(codes)

        return make


STAGES = {"audio": AudioStage()}
