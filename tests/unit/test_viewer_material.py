import pytest
from viewer_cases import small_material, small_scores
from wstal.errors import WstalError


def test_columns_follow_names_not_places(tmp_path):
    material = small_material(tmp_path)
    assert material.truth.classes == ["dive", "jump"]
    assert material.columns == {"dive": 1, "jump": 0}
    assert small_material(tmp_path, scores=None).columns == {}


def test_scores_of_other_classes_are_refused(tmp_path):
    with pytest.raises(WstalError, match="trained on other annotations"):
        small_material(tmp_path, scores=small_scores({"v1": 3}, ["dive", "swim"]))
