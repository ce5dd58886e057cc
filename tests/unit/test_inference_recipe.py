"""The recipe of a run must be the one it was trained with, and start from videos."""

import pytest
from wstal.config.recipes import recipe_digest
from wstal.errors import WstalError
from wstal.inference.recipe import chosen_streams, run_recipe, video_recipe


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
    with pytest.raises(WstalError, match="'i3d_tvl' is none of .*nearest: i3d_tvl1"):
        video_recipe(recipes, "i3d_tvl")
