"""A finished run made ready for new video files."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from wstal.apply.extraction import SPLIT, check_weights, prepare, provenance
from wstal.apply.results import Localization
from wstal.apply.run_folder import RunFolder, read_run, run_recipe
from wstal.base.device import device_name
from wstal.base.errors import WstalError
from wstal.base.settings import from_plain
from wstal.config.catalog import Catalog
from wstal.config.stages import changed_code
from wstal.evaluate.detections import read_detections
from wstal.features.pack import FeatureFile
from wstal.localize.events import event_detections
from wstal.localize.proposals import write_proposals
from wstal.localize.scores import Scores
from wstal.methods.acn.fusion import fuse_proposals, fuse_scores
from wstal.methods.acn.localize import LocalizeSettings
from wstal.methods.contract import localization_half
from wstal.train import checkpoint
from wstal.train.scoring import score_checkpoint


def apply_run(
    run: RunFolder, features: FeatureFile, device: torch.device
) -> tuple[Scores, pd.DataFrame]:
    """Return the scores and detections of all videos, as the DAG's last stages would.

    Detections are a frame video_id, t_start, t_end (seconds), label, score. A run without a
    localize config predicts a class for each second: stretches of a class are the detections.
    Raises WstalError if the features do not fit, or a score is not finite.
    """
    if run.parts:
        return _fused(run, features, device)
    scores = _scores(run, features, device)
    scores.require_finite()
    if run.localize is None:
        return scores, event_detections(scores)
    method = localization_half(run.about["config"]["method"])
    return scores, method.localize(scores, from_plain(method.settings, run.localize))


def _scores(run: RunFolder, features: FeatureFile, device: torch.device) -> Scores:
    upstream = _scores(run.upstream, features, device) if run.upstream else None
    return score_checkpoint(run.checkpoint, features, [SPLIT], device, upstream=upstream)


def _fused(
    run: RunFolder, features: FeatureFile, device: torch.device
) -> tuple[Scores, pd.DataFrame]:
    scores, proposals = {}, {}
    for stream, part in run.parts.items():
        scores[stream], detections = apply_run(part, features, device)
        # Through a file, as in the DAG: the times that are fused are rounded ones.
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "proposals.json"
            write_proposals(path, detections, scores[stream], part.localize)
            proposals[stream] = read_detections(path)
    fusion = from_plain(LocalizeSettings, run.localize).fusion
    fused = fuse_proposals(proposals["flow"], proposals["rgb"], fusion)
    return fuse_scores(scores), fused


VIDEO = ("sha256", "duration", "fps", "width", "height", "status", "reason")


class Localizer:
    """Finds in video files the detections that the DAG would find in them.

    Raises WstalError, saying what to do, for a run that is not finished, that cannot start from
    videos, or whose recipe, weights or files are no longer those it was trained with. `root` is
    the checkout; `cache` the folder that keeps what the stages make; `options` are those of
    `Extraction`. `notes` tell the user what changed since the training.
    """

    def __init__(
        self,
        run: str | Path,
        catalog: Catalog,
        root: Path,
        cache: Path,
        device: torch.device,
        **options: Any,
    ) -> None:
        self.run, self.device = read_run(run), device
        with FeatureFile(self.run.features) as features:
            attrs, made = features.attrs, provenance(features)
        _check_task(self.run, catalog, attrs["dataset"])
        name = attrs["recipe"]
        recipe = run_recipe(catalog.features, name, attrs["recipe_digest"])
        streams, accepted = self.run.streams(), json.loads(attrs.get("accepted_code", "{}"))
        given = {"places": [self.run.results.parent], "accepted": accepted, **options}
        self._extraction = prepare(name, recipe, streams, root, cache, device, **given)
        check_weights(self._extraction.networks, made)
        used = {name: made.get(name, {}) for name in streams}
        self.notes = notes_on(attrs, used, self._extraction.codes)
        self._about = {
            "run": "/".join(self.run.path.parts[-4:]),
            "checkpoints": self.run.checkpoints(),
            "recipe": {"name": name, "digest": attrs["recipe_digest"]},
            "device": device_name(device),
            "versions": checkpoint.versions(),
        }

    def __call__(self, video: str, path: Path) -> Localization:
        """Return what the run finds in the video file `path`, under the id `video`.

        Raises MediaError for a file without a usable picture, WstalError for other failures.
        """
        row = self._extraction.probe(video, path)
        with tempfile.TemporaryDirectory() as folder:
            output = Path(folder) / "features.h5"
            self._extraction.extract(row, output)
            with FeatureFile(output) as features:
                scores, detections = apply_run(self.run, features, self.device)
                made = provenance(features)
                row["status"] = features.video_attrs(video)["status"]
        about = {key: row[key] for key in VIDEO} | {"file": path.name}
        trained = {"training": scores.provenance, "inference": {**self._about, "features": made}}
        scores = replace(scores, provenance={**trained, "video": about})
        run = f"{self.run.name} {self.run.path.name}"
        return Localization(video, row, run, scores, detections, self.run.localize or {})


def localize_each(
    localizer: Callable[[str, Path], Localization],
    videos: Mapping[str, Path],
    failures: list[str],
) -> Iterator[Localization]:
    """Yield what is found in each video; one that fails adds a line to `failures` instead."""
    for video, path in videos.items():
        try:
            localization = localizer(video, path)
        except (WstalError, OSError) as error:
            failures.append(f"{path}: nothing localized, {error}")
        else:
            yield localization


def _check_task(run: RunFolder, catalog: Catalog, dataset: str) -> None:
    """Raise WstalError for a run without proposals if its dataset asks for them."""
    task = catalog.datasets.get(dataset, {}).get("task", "detection")
    if run.localize is None and task == "detection":
        wanted = "/".join((*run.path.parts[-5:], "proposals.json"))
        raise WstalError(
            f"{run.path} has no proposals.json, which says how the run localizes; make it: "
            f"snakemake --cores 2 {wanted}"
        )


def notes_on(
    attrs: Mapping[str, Any], made: Mapping[str, Mapping], codes: Mapping[str, str]
) -> list[str]:
    """Return what a user should know of a feature file's `attrs` and provenance (`made`)."""
    notes = []
    if attrs.get("weights") == "untrained":
        notes.append("the feature networks are untrained: segments mean nothing")
    if changed := changed_code(made, codes):
        notes.append(
            f"the code of {', '.join(changed)} was edited since the run's features were made; "
            "if results changed with it, train the run again"
        )
    return notes
