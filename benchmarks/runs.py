"""A run that a program trains update by update, outside the DAG."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from wstal.datasets.annotations import Annotations
from wstal.features.pack import FeatureFile
from wstal.localize.scores import Scores
from wstal.train.data import TrainingSet
from wstal.train.loop import Trainer, in_snippets, run_config
from wstal.train.scoring import Scorer

CPU = torch.device("cpu")


class Run:
    """What trains and scores a run on the CPU, as `wstal.train.run.train_run` sets it up.

    `config` is a run's resolved config. `upstream` are other runs' scores that it learns from.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        features: FeatureFile,
        labels: Annotations,
        seed: int,
        upstream: Scores | None = None,
    ) -> None:
        settings = run_config({key: part for key, part in config.items() if key != "localize"})
        data = TrainingSet(features, labels, settings.run.streams, settings.data, CPU, upstream)
        self.settings = in_snippets(settings, float(features.attrs["step"]), data.lengths)
        data.length = self.settings.data.length
        self.trainer = Trainer(self.settings, data, features.dims, seed, CPU)
        self.features = features

    def scorer(self, *splits: str, upstream: Scores | None = None) -> Scorer:
        """Return what scores the videos of the splits; `upstream` are the scores it starts from."""
        ids = [video for split in splits for video in self.features.ids(split)]
        data = self.trainer.data
        return Scorer(
            self.settings, self.features, ids, data.classes, data.standardization, CPU, upstream
        )
