"""What the stages that turn a video into feature rows by a network have in common."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from wstal import __version__
from wstal.base.array_store import ArrayFile, open_arrays, read_attrs
from wstal.base.device import device_name
from wstal.base.settings import to_plain
from wstal.base.stage import Job, Stage, StageInput

PACKAGES = ("torch", "numpy", "opencv-contrib-python-headless")


class NetworkStage(Stage):
    """Writes `features` float32 `[T, D]` for every video; T follows from the video's frames."""

    def extractor(self, settings: Any, job: Job) -> Callable[[StageInput], np.ndarray]:
        """Return the function from a video to its features `[T, D]`."""
        raise NotImplementedError

    def packages(self, job: Job) -> tuple[str, ...]:
        """Return the packages whose versions are recorded."""
        return PACKAGES

    def key_part(self, settings: Any, job: Job) -> dict[str, Any]:
        """Return the settings; weights count by their content, not by their names."""
        part = super().key_part(settings, job)
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

        def make(video: StageInput, file: ArrayFile) -> int:
            file.set_status(video.status, video.reason)
            before = {
                stage: json.loads(read_attrs(path)["provenance_json"])
                for stage, path in video.files.items()
            }
            file.attrs["provenance_json"] = json.dumps(about | before, sort_keys=True)
            features = extract(video)
            file.write("features", features)
            return len(features)

        return make


def frames_and_fps(frames_file: str | Path) -> tuple[int, float]:
    """Return the number of grid frames in a file of the frames stage, and frames per second."""
    with open_arrays(frames_file) as file:
        return len(file["frame_index"]), float(file.attrs["fps"])
