"""What a page is made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from wstal.errors import WstalError
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
