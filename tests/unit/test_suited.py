"""Methods that a dataset's recipe and task allow, and the reason for the others."""

import pytest
import yaml
from wstal.config.catalog import load_catalog
from wstal.config.suited import no_method, suited_methods, unsuited


@pytest.fixture(scope="module")
def catalog(project):
    changes = {
        "datasets": {
            "silent": {
                "kind": "folder",
                "videos": "v",
                "recipe": "wtalc_i3d",
                "source": "features",
            },
            "pictures": {"kind": "folder", "videos": "v", "recipe": "s3d"},
        }
    }
    return load_catalog(project / "workflow/config", project / "workflow/schemas", changes)


def test_with_all_streams_every_method_is_there(catalog):
    every = sorted(catalog.models)
    assert suited_methods(catalog, "thumos14") == suited_methods(catalog, "demo") == every


def test_a_stream_that_the_recipe_lacks_is_the_reason(catalog):
    assert unsuited(catalog, "pictures")["co2net"] == "takes flow, which recipe s3d has not"
    assert "co2net" not in suited_methods(catalog, "pictures")


def test_joined_proposals_have_nothing_to_say_on_seconds(catalog):
    assert "acn" not in suited_methods(catalog, "ave")
    assert {"cavf", "co2net", "tssam"} <= set(suited_methods(catalog, "ave"))


def test_where_no_method_suits_the_remedy_is_told_and_works(project):
    own = {"kind": "folder", "source": "features", "recipe": "mae"}
    layout = {"layout": "streams", "order": ["rgb"], "dims": {"rgb": 1408}}
    changes = {
        "datasets": {"mine": own},
        "features": {"mae": {"streams": {"rgb": "imported"}, "import": layout}},
    }
    folders = project / "workflow/config", project / "workflow/schemas"
    told = no_method(load_catalog(*folders, changes), "mine")
    assert "co2net takes flow, which recipe mae has not" in told
    remedy = yaml.safe_load(told[told.index("models: ") :])
    catalog = load_catalog(*folders, changes | remedy)
    assert suited_methods(catalog, "mine") == ["tssam"] and no_method(catalog, "mine") == ""
