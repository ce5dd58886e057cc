"""What a page is made from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from wstal.base.array_store import read_shard
from wstal.base.errors import WstalError
from wstal.evaluate.ground_truth import GroundTruth
from wstal.evaluate.protocols import Protocol
from wstal.localize.scores import Scores

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Material:
    """A run's results and what is known of its videos; all but the first three may be absent.

    `about` are the run's names (title, dataset, run, recipe, seed, note). `found` are
    detections, a frame video_id, t_start, t_end, label, score (seconds); None stands for the
    events of `scores`. `usable` are the videos with features (None: all), `manifest` and
    `coverage` rows by video id, `sounds` files of sound (`sound_files`), `measured` the rows of
    the seed's map.csv.

    Raises WstalError if the scores are of other classes than the ground truth.
    """

    about: Mapping[str, Any]
    truth: GroundTruth
    protocol: Protocol
    scores: Scores | None = None
    found: pd.DataFrame | None = None
    usable: set[str] | None = None
    manifest: Mapping[str, Row] = field(default_factory=dict)
    coverage: Mapping[str, Row] = field(default_factory=dict)
    sounds: Mapping[str, Path] = field(default_factory=dict)
    measured: Sequence[Row] = ()

    def __post_init__(self) -> None:
        if self.scores and set(self.scores.classes) != set(self.truth.classes):
            raise WstalError(
                f"the scores' classes {self.scores.classes} are not the ground truth's "
                f"{self.truth.classes}; the run was trained on other annotations, train it again"
            )

    @property
    def columns(self) -> dict[str, int]:
        """Where each class of the ground truth stands in the scores."""
        names = self.scores.classes if self.scores else []
        return {name: names.index(name) for name in (self.truth.classes if names else [])}


# FOLDED How loud a video is over time, from the sound that the audio stage keeps.

FLOOR = -60.0  # dB of full scale; anything softer is silence


def sound_files(shards: Iterable[Path]) -> dict[str, Path]:
    """The file of each video with sound, from the manifests of the audio stage's shards."""
    return {
        record.id: shard.parent / record.path
        for shard in shards
        for record in read_shard(shard)
        if record.usable and record.path and record.rows
    }


def read_loudness(path: Path, step: float, t0: float, count: int) -> np.ndarray:
    """Level of each snippet in dB of full scale, `[count]`, from FLOOR to 0.

    Snippet i spans `[t0 + i step, t0 + (i + 1) step)` seconds; where the sound has ended it is
    silent.
    """
    with h5py.File(path, "r") as file:
        sound, rate = file["sound"][()], int(file.attrs["rate"])
    sound = sound / 32768 if sound.dtype.kind == "i" else sound.astype(float)
    energy = np.append(0.0, np.cumsum(np.square(sound, dtype=float)))
    edges = np.rint((t0 + step * np.arange(count + 1)) * rate).astype(np.int64)
    edges = np.clip(edges, 0, len(sound))
    mean = np.diff(energy[edges]) / np.maximum(np.diff(edges), 1)
    return np.maximum(10 * np.log10(np.maximum(mean, 1e-12)), FLOOR)
