"""The files of a localized video."""

import json

import pytest
from test_segments import FOUND, localization
from wstal.evaluate.detections import read_detections
from wstal.inference.localization import save_localization


@pytest.mark.parametrize("picture", ["svg", "png", "none"])
def test_json_and_picture(tmp_path, picture):
    found = localization(FOUND[FOUND["label"] == "run"])
    save_localization(found, tmp_path / "out", picture)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"v.json"} | ({f"v.{picture}"} if picture != "none" else set())
    content = json.loads((tmp_path / "out/v.json").read_text())
    assert content.keys() == {"version", "results", "external_data"}
    assert read_detections(tmp_path / "out/v.json")["t_end"].tolist() == [59.96, 3.0]


def test_segments_of_a_low_score_are_left_out():
    found = localization(FOUND)
    assert found.at_least(None) is found
    assert found.at_least(0.25).detections["score"].tolist() == [0.25, 12.0]
    assert not len(found.at_least(99).detections)


def test_subtitles_are_written_where_asked_for(tmp_path):
    save_localization(localization(FOUND), tmp_path, "none", subtitled=True)
    assert {path.name for path in tmp_path.iterdir()} == {"v.json", "v.srt"}
    assert " --> " in (tmp_path / "v.srt").read_text()
