"""Stages of a recipe made ready: networks by stage, digests as the rules give them."""

import pytest
import torch
from wstal.codehash import code_digest
from wstal.errors import WstalError
from wstal.inference.preparation import prepared

CPU = torch.device("cpu")


def test_the_demos_stages_are_those_of_the_workflow(project, recipes, tmp_path):
    recipe = recipes["demo_i3d"]
    stages = prepared("demo_i3d", recipe, ["rgb"], project, tmp_path, CPU, keep_flow=True)
    assert list(stages.networks) == ["i3d_rgb"] and stages.folder == tmp_path / "demo_i3d"
    assert stages.keep_flow and stages.networks["i3d_rgb"].weights.startswith(str(project))
    digest = code_digest(project / "scripts/extract_i3d.py", project / "workflow/wstal")
    assert stages.codes["i3d_rgb"] == digest
    same = {"accepted": {digest: "older"}}
    again = prepared("demo_i3d", recipe, ["rgb"], project, tmp_path, CPU, **same)
    assert again.codes["i3d_rgb"] == "older"


def test_absent_weights_are_refused_with_the_remedy(project, recipes, tmp_path):
    with pytest.raises(WstalError, match="fetch_weights"):
        prepared(
            "i3d_tvl1", recipes["i3d_tvl1"], ["rgb"], project, tmp_path, CPU, places=[tmp_path]
        )
