"""ActivityNet-style databases in the spellings that circulate."""

import csv
import json

import pytest
from published_sets import THUMOS, write_database
from wstal.data.database_json import read_database
from wstal.errors import WstalError


@pytest.mark.parametrize("text", [False, True])
def test_times_as_numbers_and_as_text_are_the_same(tmp_path, text):
    found = read_database(write_database(tmp_path / "a.json", text=text))
    assert {video: entry.segments for video, entry in found.videos.items()} == THUMOS
    assert {entry.subset for entry in found.videos.values()} == {"test", "validation"}
    assert found.name == "a.json (small)"


def test_other_json_is_no_database(tmp_path):
    for content in ({"video": 30.0}, [1, 2], {}, {"a": {"b": 1}}):
        (tmp_path / "a.json").write_text(json.dumps(content))
        assert read_database(tmp_path / "a.json") is None


def test_a_flat_database_takes_its_subsets_from_the_table_beside_it(tmp_path):
    path = tmp_path / "anet_anno_action.json"
    entry = {"duration_second": 9.5, "annotations": [{"segment": [1, 2], "label": "Polo"}]}
    path.write_text(json.dumps({"v_abcdefghijk": entry}))
    with pytest.raises(WstalError, match="video_info_new.csv"):
        read_database(path)
    with (tmp_path / "video_info_new.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerows([["video", "subset"], ["v_abcdefghijk", "training"]])
    found = read_database(path)
    video = found.videos["v_abcdefghijk"]
    assert (video.subset, video.duration, video.segments) == ("training", 9.5, [(1.0, 2.0, "Polo")])
    assert [file.name for file in found.files] == [path.name, "video_info_new.csv"]


@pytest.mark.parametrize(
    "entry",
    [
        {"annotations": []},
        {"subset": "training", "annotations": [{"segment": [1], "label": "x"}]},
        {"subset": "training", "annotations": [{"segment": ["a", "b"], "label": "x"}]},
        {"subset": "training", "annotations": [{"segment": [0, float("nan")], "label": "x"}]},
        {"subset": "training", "annotations": [{"segment": [0, 1]}]},
        {"subset": "training", "duration": "long"},
    ],
)
def test_an_entry_that_cannot_be_read_names_file_and_video(tmp_path, entry):
    (tmp_path / "a.json").write_text(json.dumps({"database": {"clip7": entry}}))
    with pytest.raises(WstalError, match=r"a\.json, video clip7"):
        read_database(tmp_path / "a.json")


def test_what_is_no_json_is_named(tmp_path):
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(WstalError, match=r"a\.json is not JSON"):
        read_database(tmp_path / "a.json")
