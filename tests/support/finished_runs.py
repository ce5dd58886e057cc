"""Finished runs on a small set, in the folders that the DAG gives them: ACN and what it needs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from method_configs import method_config
from small_set import write_small_set
from wstal.base.settings import from_plain, to_plain
from wstal.evaluate.detections import read_detections
from wstal.features.pack import FeatureFile
from wstal.localize.proposals import write_proposals
from wstal.localize.scores import read_scores, write_scores
from wstal.methods.acn.localize import FusionSettings, fuse_proposals, fuse_scores
from wstal.methods.contract import localization_half
from wstal.train.data import merge_scores
from wstal.train.run import RunFiles, train_run
from wstal.train.scoring import score_checkpoint

CPU = torch.device("cpu")
CUT = {
    "untrimmednet": {"train": {"epochs": 4, "score_interval": 4}},
    "acn": {"model": {"width": 4, "anchors": [1, 2, 4]}, "train": {"epochs": 2}},
}


def write_acn_runs(project: Path, root: Path) -> Path:
    """Train untrimmednet, acn-rgb and acn-flow, join them as acn; the folder of the recipe."""
    recipe = root / "results/small/small"
    recipe.mkdir(parents=True)
    path, annotations = write_small_set(recipe)
    for method, variant in (("untrimmednet", None), ("acn", "rgb"), ("acn", "flow")):
        folder = recipe / (f"{method}-{variant}" if variant else method) / "seed0"
        folder.mkdir(parents=True)
        upstream = None
        if variant:
            scores = [recipe / "untrimmednet/seed0" / f"scores{part}.h5" for part in ("_train", "")]
            upstream = merge_scores(read_scores(file) for file in scores)
        _write_run(project, path, annotations, method, variant, folder, upstream)
    _write_fused(recipe)
    return recipe


def _write_run(project, path, annotations, method, variant, folder, upstream) -> None:
    run = f"{method}-{variant}" if variant else method
    full = method_config(project, run, changes=CUT[method])
    config = {key: value for key, value in full.items() if key != "localize"}
    files = RunFiles(folder / "checkpoint.pt", folder / "log.csv", folder / "intervals.h5")
    with FeatureFile(path) as features:
        made = {"seed": 0, "code": "x", "device": CPU, "upstream": upstream}
        train_run(features, annotations, config, files, **made)
        for part, splits in (("_train", ["train"]), ("", ["val", "test"])):
            scores = score_checkpoint(files.checkpoint, features, splits, CPU, upstream=upstream)
            write_scores(folder / f"scores{part}.h5", scores)
    scores = read_scores(folder / "scores.h5")
    half = localization_half(method)
    found = half.localize(scores, from_plain(half.settings, full["localize"]))
    write_proposals(folder / "proposals.json", found, scores, full["localize"])


def _write_fused(recipe: Path) -> None:
    names = {"rgb": "acn-rgb", "flow": "acn-flow"}
    folders = {stream: recipe / name / "seed0" for stream, name in names.items()}
    scores = fuse_scores({s: read_scores(f / "scores.h5") for s, f in folders.items()})
    scores = replace(scores, provenance={**scores.provenance, "runs": names})
    rgb, flow = (read_detections(folders[s] / "proposals.json") for s in ("rgb", "flow"))
    found = fuse_proposals(flow, rgb, FusionSettings())
    config = {"fusion": to_plain(FusionSettings())}
    write_proposals(recipe / "acn/seed0/proposals.json", found, scores, config)
