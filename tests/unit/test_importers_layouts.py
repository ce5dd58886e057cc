"""Which layout is read, and the page for who has no files."""

import json

import pytest
from published_features import annotations, recipe
from wstal.errors import WstalError
from wstal.features.importers.layouts import DEFAULTS, PAGES, find_features, with_defaults


@pytest.mark.parametrize("layout", PAGES)
def test_without_files_a_page_says_what_to_place_where(tmp_path, layout):
    settings = recipe(layout, **({"order": ["rgb", "audio"]} if layout == "ave" else {}))["import"]
    with pytest.raises(WstalError) as caught:
        find_features(tmp_path / "absent", settings, annotations())
    page = str(caught.value)
    for part in (str(tmp_path / "absent"), "features:", "https://github.com/", "Terms:"):
        assert part in page
    assert "Not there yet" in page


def test_defaults_and_layouts_are_those_of_the_schema(project):
    schema = json.loads((project / "workflow/schemas/features.schema.json").read_text())
    properties = schema["properties"]["import"]["properties"]
    assert set(properties["layout"]["enum"]) == set(PAGES)
    assert {k: v["default"] for k, v in properties.items() if "default" in v} == DEFAULTS


def test_a_recipe_without_an_import_is_refused():
    with pytest.raises(WstalError, match="import.layout"):
        with_defaults({"frames": {}})
    with pytest.raises(WstalError, match="not one of"):
        find_features(".", {"layout": "other"}, annotations())
