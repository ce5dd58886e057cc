"""A run applied to features finds what the DAG's last stages found in them."""

import json
from dataclasses import replace

import pytest
import torch
from finished_runs import write_acn_runs
from wstal.features.pack import FeatureFile
from wstal.inference.application import applied
from wstal.inference.run_folder import read_run
from wstal.localize.detections import as_results
from wstal.localize.events import event_detections

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def recipe(project, tmp_path_factory):
    return write_acn_runs(project, tmp_path_factory.mktemp("runs"))


@pytest.mark.parametrize("name", ["untrimmednet", "acn-rgb", "acn-flow", "acn"])
def test_the_proposals_are_those_of_the_dag(recipe, name):
    run = read_run(recipe / name / "seed0")
    with FeatureFile(run.features) as features:
        scores, found = applied(run, features, CPU)
    expected = json.loads((run.path / "proposals.json").read_text())["results"]
    assert as_results(found, scores.videos) == expected
    assert sum(map(len, expected.values())) > 0


def test_without_a_localize_config_the_stretches_of_a_class_are_given(recipe):
    run = replace(read_run(recipe / "untrimmednet/seed0"), localize=None)
    with FeatureFile(run.features) as features:
        scores, found = applied(run, features, CPU)
    assert found.equals(event_detections(scores)) and len(found)
