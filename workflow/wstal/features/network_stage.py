"""What the stages that turn a video into feature rows by a network have in common."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from wstal import __version__
from wstal.base.array_store import PARTIAL, ArrayFile, open_arrays, read_attrs
from wstal.base.device import device_name
from wstal.base.settings import to_plain
from wstal.base.stage import Job, Stage, StageInput
from wstal.features.rows import RowGrid, RowSettings, kept_names, row_grid
from wstal.media.timeline import frame_count

PACKAGES = ("torch", "numpy", "opencv-contrib-python-headless")


class NetworkStage(Stage):
    """Writes `features` float32 `[T, D]` for every video; T follows from the video's frames."""

    stream: str = ""  # of the section, where it makes several
    fills_windows: ClassVar[bool] = False  # whether a row needs all the frames of its window

    def rows_at(self, settings: RowSettings) -> Callable[[float], RowGrid]:
        """Return the function from the recipe's frames per second to the rows of the stage."""
        section = to_plain(settings)
        return lambda fps: row_grid(section, fps, self.stream)

    def extractor(self, settings: Any, job: Job) -> Callable[[StageInput], np.ndarray]:
        """Return the function from a video to its features `[T, D]`."""
        raise NotImplementedError

    def packages(self, job: Job) -> tuple[str, ...]:
        """Return the packages whose versions are recorded."""
        return PACKAGES

    def key_part(self, settings: Any, job: Job) -> dict[str, Any]:
        """Return the settings; weights count by their content, not by their names."""
        part = kept_names(super().key_part(settings, job), settings.ADDED)
        names = self.weights(settings).keys() | {"weights", "pca"}
        kept = {name: value for name, value in part.items() if name not in names}
        return kept | {"weights": job.network.identity}

    def provenance(self, settings: Any, job: Job) -> dict[str, Any]:
        """Return what made the features: settings, weights, code, device, streamed input."""
        return {
            "stage": self.name,
            "recipe": to_plain(settings),
            "weights": job.network.identity,
            "code": job.code,
            "device": device_name(torch.device(job.device)),
            "versions": {"wstal": __version__} | {n: version(n) for n in self.packages(job)},
            **{stage: each.provenance for stage, each in job.streamed.items()},
        }

    def maker(self, settings: Any, job: Job) -> Callable[[StageInput, ArrayFile], int]:
        """Return the function that writes the features of a video.

        Its provenance has that of the files it is made from, too.
        """
        extract, about = self.extractor(settings, job), self.provenance(settings, job)
        rows_at = self.rows_at(settings)

        def make(video: StageInput, file: ArrayFile) -> int:
            file.set_status(*self._status(video, rows_at))
            before = {
                stage: json.loads(read_attrs(path)["provenance_json"])
                for stage, path in video.files.items()
            }
            file.attrs["provenance_json"] = json.dumps(about | before, sort_keys=True)
            features = extract(video)
            file.write("features", features)
            return len(features)

        return make

    def _status(self, video: StageInput, rows_at: Callable[[float], RowGrid]) -> tuple[str, str]:
        """Return the status of a video's features and why: partial if it fills no window."""
        if self.fills_windows:
            frames, rows = video_frames(video.files["frames"], rows_at)
            if shortage := rows.shortage(frames):
                reasons = (video.reason, f"{self.name}: {shortage}")
                return PARTIAL, "; ".join(filter(None, reasons))
        return video.status, video.reason


def video_frames(
    frames_file: str | Path, rows_at: Callable[[float], RowGrid]
) -> tuple[int, RowGrid]:
    """Return how many frames a video has for a stream, from its file of the frames stage.

    Also the stream's rows: `rows_at` the frames per second of the recipe. A stream with frames per
    second of its own has the frames k / fps before the video's end.
    """
    with open_arrays(frames_file) as file:
        count, about = len(file["frame_index"]), dict(file.attrs)
    rows = rows_at(float(about["fps"]))
    if rows.fps != about["fps"]:
        count = frame_count(float(about["duration"]), rows.fps)
    return count, rows
