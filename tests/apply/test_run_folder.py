"""What the folder of a finished run says, and what is said where it does not.

The recipe of a run must be the one it was trained with, and start from videos.
"""

from __future__ import annotations

import json
import shutil

import h5py
import pytest
from finished_runs import write_acn_runs
from wstal.apply.run_folder import chosen_streams, read_run, run_recipe, video_recipe
from wstal.base.errors import WstalError
from wstal.config.stages import recipe_digest


@pytest.fixture(scope="module")
def made(project, tmp_path_factory):
    return write_acn_runs(project, tmp_path_factory.mktemp("runs"))


@pytest.fixture
def recipe(made, tmp_path):
    """A copy to break."""
    return shutil.copytree(made, tmp_path / "results/small/small")


def change(path, edit):
    content = json.loads(path.read_text())
    edit(content["external_data"]["provenance"])
    path.write_text(json.dumps(content))


def test_a_trained_run_knows_the_one_it_builds_on(made):
    run = read_run(made / "acn-rgb/seed0")
    assert run == read_run(made / "acn-rgb/seed0/checkpoint.pt")
    assert run.name == "acn-rgb" and run.localize["nms_iou"] == 0.4
    assert run.upstream.name == "untrimmednet" and run.upstream.localize is None
    assert run.streams() == ["flow", "rgb"]  # those of untrimmednet
    assert list(run.checkpoints()) == ["untrimmednet", "acn-rgb"]
    assert run.features == made / "features.h5" and run.results == made.parents[1]


def test_a_fused_run_knows_its_parts(made):
    run = read_run(made / "acn/seed0")
    assert {stream: part.name for stream, part in run.parts.items()} == {
        "rgb": "acn-rgb",
        "flow": "acn-flow",
    }
    assert not run.about and run.localize["fusion"]["discount"] == 0.5
    assert list(run.checkpoints()) == ["untrimmednet", "acn-rgb", "acn-flow"]


def test_a_folder_without_a_run_is_named_with_what_makes_it(made):
    command = f"wstal run '?{made / 'co2net/seed0/proposals.json'}'?$"
    with pytest.raises(WstalError, match=command):
        read_run(made / "co2net/seed0")
    for path in (made / "co2net", made.parent, made / "acn/seed9/x", made.parents[3] / "nowhere"):
        with pytest.raises(WstalError, match="expected results/DATASET/RECIPE/RUN/seed0$"):
            read_run(path)


def test_a_path_near_a_run_is_answered_by_its_seeds(recipe):
    dataset, seed = recipe.parent, recipe / "acn-rgb/seed0"
    (dataset / "acn-rgb").mkdir()  # of the pages of a run
    headlines = dataset / "acn-rgb_map.csv", recipe / "acn-rgb/acn-rgb_map.csv"
    for path in headlines:
        path.touch()
    for path in (recipe / "acn-rgb", dataset / "acn-rgb", recipe / "acn-rgb/seed7", *headlines):
        with pytest.raises(WstalError, match=f"no finished run; name one of its seeds: {seed}$"):
            read_run(path)
    with pytest.raises(WstalError, match=f"name one of its seeds: {recipe / 'acn/seed0'}$"):
        read_run(dataset / "acn")  # which is not trained


def test_a_run_trained_on_other_features_is_refused(recipe):
    with h5py.File(recipe / "features.h5", "r+") as file:
        file.attrs["recipe_digest"] = "another"
    with pytest.raises(WstalError, match="another recipe since"):
        read_run(recipe / "acn-rgb/seed0")


def test_files_of_different_trainings_are_refused(recipe):
    change(recipe / "untrimmednet/seed0/proposals.json", lambda about: about.update(code="y"))
    with pytest.raises(WstalError, match="is of another training: wstal run"):
        read_run(recipe / "untrimmednet/seed0")
    assert read_run(recipe / "acn-rgb/seed0")  # which takes scores alone
    change(recipe / "acn/seed0/proposals.json", lambda about: about["fused"]["rgb"].update(seed=4))
    with pytest.raises(WstalError, match="acn-rgb/seed0 was trained again since"):
        read_run(recipe / "acn/seed0")


def test_what_is_missing_beside_a_run_is_named(recipe):
    (recipe / "untrimmednet/seed0/checkpoint.pt").unlink()
    with pytest.raises(WstalError, match="untrimmednet/seed0/checkpoint.pt is missing"):
        read_run(recipe / "acn-rgb/seed0")
    change(recipe / "acn/seed0/proposals.json", lambda about: about.pop("runs"))
    with pytest.raises(WstalError, match="does not say which runs it fuses"):
        read_run(recipe / "acn/seed0")
    (recipe / "acn/seed0/proposals.json").write_text("[]")
    with pytest.raises(WstalError, match="was not written by this project"):
        read_run(recipe / "acn/seed0")


def test_the_same_recipe_is_given_whoever_computes(recipes):
    recipe = recipes["demo_i3d"]
    digest = recipe_digest(recipe)
    assert run_recipe(recipes, "demo_i3d", digest) is recipe
    faster = {
        **recipe,
        "i3d": {**recipe["i3d"], "batch": 64},
        "flow": {**recipe["flow"], "backend": "torch"},
    }
    assert run_recipe({"demo_i3d": faster}, "demo_i3d", digest) is faster


def test_a_changed_recipe_is_refused_with_the_remedies(recipes):
    old = recipe_digest(recipes["demo_i3d"])
    changed = {**recipes["demo_i3d"], "frames": {"fps": 30}}
    with pytest.raises(WstalError, match=f"{old[:12]}.*--configfile FILE"):
        run_recipe({"demo_i3d": changed}, "demo_i3d", old)
    with pytest.raises(WstalError, match=r"'demo_i3'.*nearest: demo_i3d.*--configfile"):
        run_recipe(recipes, "demo_i3", old)


@pytest.mark.parametrize(("name", "why"), [("wtalc_i3d", "imported"), ("sim128", "simulated")])
def test_features_that_no_video_leads_to_are_refused_with_the_reason(recipes, name, why):
    with pytest.raises(WstalError, match=f"{why}.*no video.*i3d_tvl1"):
        run_recipe(recipes, name, recipe_digest(recipes[name]))


def test_a_recipe_is_taken_by_name_and_its_streams_are_chosen(recipes):
    recipe = video_recipe(recipes, "i3d_tvl1")
    assert chosen_streams(recipe, None) == ["rgb", "flow", "audio"]
    assert chosen_streams(recipe, ["flow", "rgb", "flow"]) == ["flow", "rgb"]
    with pytest.raises(WstalError, match="no stream depth; it has rgb, flow, audio"):
        chosen_streams(recipe, ["rgb", "depth"])
    with pytest.raises(WstalError, match="'i3d_tvl' is not in .*nearest: i3d_tvl1"):
        video_recipe(recipes, "i3d_tvl")
