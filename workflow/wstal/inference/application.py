"""A run applied to features: the scores and detections that the DAG's last stages would give."""

from __future__ import annotations

import importlib
import tempfile
from pathlib import Path

import pandas as pd
import torch

from wstal.evaluate.detections import read_detections
from wstal.features.pack import FeatureFile
from wstal.inference.run_folder import RunFolder
from wstal.localize.detections import write_proposals
from wstal.localize.events import event_detections
from wstal.localize.fusion import fuse_proposals, fuse_scores
from wstal.localize.scores import Scores
from wstal.train.scoring import score_checkpoint

SPLIT = "test"  # of the new videos in their feature files


def applied(
    run: RunFolder, features: FeatureFile, device: torch.device
) -> tuple[Scores, pd.DataFrame]:
    """Scores and detections (video_id, t_start, t_end in seconds, label, score) of all videos.

    A run without a localize config names a class for each second: its stretches are the
    detections. Raises WstalError if the features do not fit, or a score is not finite.
    """
    if run.parts:
        return _fused(run, features, device)
    scores = _scores(run, features, device)
    scores.require_finite()
    if run.localize is None:
        return scores, event_detections(scores)
    method = importlib.import_module(f"wstal.localize.{run.about['config']['method']}")
    return scores, method.localize(scores, run.localize)


def _scores(run: RunFolder, features: FeatureFile, device: torch.device) -> Scores:
    upstream = _scores(run.upstream, features, device) if run.upstream else None
    return score_checkpoint(run.checkpoint, features, [SPLIT], device, upstream=upstream)


def _fused(
    run: RunFolder, features: FeatureFile, device: torch.device
) -> tuple[Scores, pd.DataFrame]:
    scores, found = {}, {}
    for stream, part in run.parts.items():
        scores[stream], detections = applied(part, features, device)
        # Through a file, as in the DAG: what is joined are the rounded times.
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "proposals.json"
            write_proposals(path, detections, scores[stream], part.localize)
            found[stream] = read_detections(path)
    fused = fuse_proposals(found["flow"], found["rgb"], **run.localize["fusion"])
    return fuse_scores(scores), fused
