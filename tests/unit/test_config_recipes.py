"""A recipe has what its streams need, and what its name says."""

import pytest
from wstal.config.recipes import check_recipe, numbers_part, section_of
from wstal.errors import WstalError
from wstal.nets.weight_files import read_sources


def test_sections():
    assert section_of("i3d_rgb") == section_of("i3d_flow") == "i3d"
    assert section_of("s3d") == "s3d" and section_of("vggish") == "vggish"


def test_what_changes_no_number_is_left_out():
    recipe = {
        "dtype": "float32",
        "frames": {"fps": 25, "decoder": "pyav"},
        "flow": {"bound": 20, "backend": "auto", "cache_flow": True},
        "s3d": {"crop": 224, "batch": 8},
    }
    numbers = {"frames": {"fps": 25}, "flow": {"bound": 20}, "s3d": {"crop": 224}}
    assert numbers_part(recipe) == {"dtype": "float32", **numbers}


def test_the_keys_of_files_leave_out_the_same(project):
    from wstal.features import shard
    from wstal.flow import stage

    assert "batch" in shard._NOT_KEY
    assert numbers_part({"flow": dict.fromkeys(stage._NOT_KEY)}) == {"flow": {}}


def test_a_stream_without_its_section_is_named():
    with pytest.raises(WstalError, match="recipe mine: the stream visual is made by s3d.*`s3d:`"):
        check_recipe("mine", {"streams": {"visual": "s3d"}, "i3d": {}})
    check_recipe("mine", {"streams": {"visual": "s3d"}, "s3d": {}})
    check_recipe("other", {"streams": {"rgb": "imported", "flow": "simulated"}})
    check_recipe("bare", {})


def test_ten_crops_stand_in_the_name():
    with pytest.raises(WstalError, match="crop_mode is ten.*with `tencrop`"):
        check_recipe("mine", {"i3d": {"crop_mode": "ten"}})
    with pytest.raises(WstalError, match="crop_mode is centre.*without `tencrop`"):
        check_recipe("mine_tencrop", {"i3d": {"crop_mode": "centre"}})
    check_recipe("mine_tencrop", {"i3d": {"crop_mode": "ten"}})
    check_recipe("mine", {"i3d": {"crop_mode": "centre"}})


def test_tails_must_agree():
    streams = {"streams": {"rgb": "i3d_rgb", "audio": "vggish"}}
    with pytest.raises(WstalError, match="recipe mine: tail is repeat in i3d, drop in vggish"):
        check_recipe("mine", {**streams, "i3d": {"tail": "repeat"}, "vggish": {}})
    check_recipe(
        "mine", {**streams, "i3d": {"tail": "drop"}, "vggish": {}, "s3d": {"tail": "repeat"}}
    )


def test_every_recipe_names_known_weights(catalog, project):
    known = {*read_sources(project / "workflow/reference/weights/sources.yaml"), "untrained"}
    checked = 0
    for name, recipe in catalog.features.items():
        check_recipe(name, recipe)
        for stage in recipe["streams"].values():
            weights = recipe.get(section_of(stage), {}).get("weights", [])
            named = weights.values() if isinstance(weights, dict) else [weights] if weights else []
            assert set(named) <= known, name
            checked += len(named)
    assert checked > 20
