"""The stages of the backbones of sound, named like their network and section: AST, CLAP."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from wstal.base.array_store import NO_AUDIO, open_arrays, read_arrays
from wstal.base.files import path_from
from wstal.base.stage import Job, StageInput
from wstal.features.backbone_stage import BackboneSettings, BackboneStage
from wstal.features.network_stage import video_frames
from wstal.media.sound import FULL_SCALE, RATE, read_sound


class SoundBackboneStage(BackboneStage):
    """The vectors of a backbone of the sound around each row; no sound track is silence."""

    fills_windows = False

    def extractor(self, settings: BackboneSettings, job: Job) -> Callable[[StageInput], np.ndarray]:
        """Return the function from a video to its rows `[T, D]`."""
        device, entry = torch.device(job.device), settings.entry
        network, batch = self.network(settings, job), settings.batch_on(device)

        def extract(video: StageInput) -> np.ndarray:
            frames, rows = video_frames(video.files["frames"], self.rows_at(settings))
            sound, count = heard(video, entry.rate), rows.count(frames)
            windows = sound_windows(sound, count, rows.step, rows.t0, entry.rate, entry.seconds)
            with torch.inference_mode():
                out = [
                    network.features(windows(start, min(start + batch, count)), device)
                    for start in range(0, count, batch)
                ]
            return torch.cat(out).float().cpu().numpy()

        return extract


def heard(video: StageInput, rate: int) -> np.ndarray:
    """Return the sound of a video, float32 `[S]` in [-1, 1] at `rate` Hz.

    The stage `audio` keeps it at 16 kHz; at another rate the file is decoded again.
    """
    sound = read_arrays(video.files["audio"], ["sound"])["sound"]
    if rate == RATE or video.status == NO_AUDIO:
        return sound.astype(np.float32) / np.float32(FULL_SCALE)
    with open_arrays(video.files["frames"]) as file:
        path = path_from(file.attrs["video"])
    return read_sound(path, rate)


def sound_windows(
    sound: np.ndarray, rows: int, step: float, t0: float, rate: int, seconds: float
) -> Callable[[int, int], np.ndarray]:
    """Return the function from rows `[start, end)` to their windows, float32 `[end - start, W]`.

    Window i is the `seconds` of `sound [S]` centred on t0 + step * (i + 0.5), with zeros beyond
    its ends; W = seconds * rate.
    """
    length = round(seconds * rate)

    def windows(start: int, end: int) -> np.ndarray:
        out = np.zeros((end - start, length), np.float32)
        for row in range(start, end):
            first = round((t0 + step * (row + 0.5)) * rate) - length // 2
            low, high = max(first, 0), min(first + length, len(sound))
            if high > low:
                out[row - start, low - first : high - first] = sound[low:high]
        return out

    return windows


BACKBONE = SoundBackboneStage  # of the stages whose entries have this input
