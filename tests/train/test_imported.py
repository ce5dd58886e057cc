"""A checkpoint of CO2-Net's official code as a run of ours."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from method_configs import method_config
from official_recipe import load_module
from small_set import write_small_set
from wstal.apply.localizer import apply_run
from wstal.apply.run_folder import read_run
from wstal.base.errors import WstalError
from wstal.base.settings import from_plain
from wstal.features.pack import FeatureFile
from wstal.localize.proposals import write_proposals
from wstal.localize.scores import write_scores
from wstal.methods.contract import localization_half
from wstal.train import checkpoint
from wstal.train.imported import import_checkpoint
from wstal.train.scoring import score_checkpoint

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def step(project):
    return load_module(project / "benchmarks/speed/reference/co2net_step.py")


@pytest.fixture
def small(tmp_path):
    recipe = tmp_path / "results/small/small"
    recipe.mkdir(parents=True)
    path, annotations = write_small_set(recipe, classes=3)
    with FeatureFile(path) as features:
        yield recipe, features, annotations


def written(step, path, classes=3, dim=6, **options):
    """A checkpoint as the official code saves it, and the network in it."""
    torch.manual_seed(5)
    network = step.Network(classes, dim=dim).eval()
    torch.save({f"module.{n}": v for n, v in network.state_dict().items()}, path, **options)
    return network


def imported(project, small, path, run="co2net-imported"):
    _, features, annotations = small
    config = method_config(project, run)
    localize = config.pop("localize")
    about = {"seed": 0, "code": "x", "device": CPU}
    return import_checkpoint(path, features, annotations, config, **about), localize


@pytest.mark.parametrize("zipped", [True, False])  # torch before 1.6 wrote no zip
def test_it_is_a_run_folder_like_a_trained_one(project, step, small, tmp_path, zipped):
    recipe, features, _ = small
    network = written(step, tmp_path / "best.pkl", _use_new_zipfile_serialization=zipped)
    content, localize = imported(project, small, tmp_path / "best.pkl")
    folder = recipe / "co2net-imported/seed0"
    folder.mkdir(parents=True)
    checkpoint.save(folder / "checkpoint.pt", content)
    scores = score_checkpoint(folder / "checkpoint.pt", features, ["test"], CPU)
    for video, found in scores.videos.items():
        x = torch.from_numpy(features.read(video, ["rgb", "flow"]))[None]
        wanted = network(x)["cas"][0].detach()
        np.testing.assert_allclose(found.cas, wanted, atol=1e-5)
    digest = hashlib.sha256((tmp_path / "best.pkl").read_bytes()).hexdigest()
    assert scores.provenance["imported"] == {"file": "best.pkl", "sha256": digest}
    write_scores(folder / "scores.h5", scores)
    half = localization_half("co2net")
    found = half.localize(scores, from_plain(half.settings, localize))
    write_proposals(folder / "proposals.json", found, scores, localize)
    run = read_run(folder)  # what `wstal localize` applies to new videos
    again, detections = apply_run(run, features, CPU)
    assert again.provenance["imported"]["sha256"] == digest
    assert len(detections) == len(found) > 0


def test_what_is_no_checkpoint_of_the_code_or_of_other_data_is_refused(
    project, step, small, tmp_path
):
    path = tmp_path / "best.pkl"
    for value, message in (
        (torch.ones(3), "best.pkl: expected the state dict of the official CO2 model"),
        ({"a": torch.ones(3)}, "not a checkpoint of the official CO2 model"),
        ({"a": Path("x")}, "contains objects other than tensors and arrays"),
    ):
        torch.save(value, path)
        with pytest.raises(WstalError, match=message):
            imported(project, small, path)
    written(step, path, classes=4)
    with pytest.raises(WstalError, match="scores 4 classes, not 3"):
        imported(project, small, path)
    written(step, path, dim=8)
    with pytest.raises(WstalError, match="take the features and settings of the checkpoint"):
        imported(project, small, path)
    with pytest.raises(WstalError, match="tssam has no published code"):
        imported(project, small, path, run="tssam")
