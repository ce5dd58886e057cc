"""Own labels in ActivityNet's JSON format."""

import json

import pytest
from wstal.config.sources import (
    annotation_files,
    own_lists,
    sound_annotation_files,
    video_files,
    video_listing,
)
from wstal.data.annotations import training_view, videos_view
from wstal.data.folder import read_folder_annotations
from wstal.data.own_database import own_files, read_own_database, read_own_labels
from wstal.data.readers import read_dataset
from wstal.errors import WstalError


def video(subset, *annotations, **more):
    items = [{"segment": list(times), "label": label} for *times, label in annotations]
    return {"subset": subset, "duration": 9.5, "annotations": items, **more}


DATABASE = {
    "a.mp4": video("training", (1, 2.5, "run"), (4, 5, "jump"), (6, 7, "run"), fps=30),
    "b": video("Training", labels=["jump"]),
    "c": video("validation", (0, 3, "run")),
    "sub/d": video("testing", (1, 2, "jump")),
}


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "mine.json"

    def written(database=DATABASE, **more):
        path.write_text(json.dumps({"version": "1", "database": database, **more}))
        return path

    return written


def test_it_is_the_database_that_two_csv_files_give(write, tmp_path):
    (tmp_path / "labels.csv").write_text(
        "video,labels,split\na,jump;run,train\nb,jump,train\nc,run,val\nsub/d,jump,test\n"
    )
    (tmp_path / "segments.csv").write_text(
        "video,t_start,t_end,label\na,1,2.5,run\na,4,5,jump\na,6,7,run\nc,0,3,run\nsub/d,1,2,jump\n"
    )
    files = tmp_path / "labels.csv", tmp_path / "segments.csv"
    found, notes = read_own_database(write())
    same = {v: entry | {"duration": None} for v, entry in found.database.items()}
    assert same == read_folder_annotations(*files).database and not notes
    assert {entry["duration"] for entry in found.database.values()} == {9.5}
    assert found.classes == ["jump", "run"]
    ids = ["a", "b", "c", "sub/d"]
    assert list(own_files(tmp_path / "mine.json")) == list(own_files(files[0])) == ids
    assert read_own_labels(*files) == (read_folder_annotations(*files), [])


def test_a_label_needs_no_times_and_background_stands_for_no_class(write):
    weak = {
        "a": {"subset": "train", "annotations": [{"label": "run"}]},
        "b": {"subset": "train", "labels": ["background"]},
        "c": {"subset": "test", "labels": ["run"]},
    }
    found, _ = read_own_database(write(weak))
    assert [entry["labels"] for entry in found.database.values()] == [["run"], [], ["run"]]
    assert not found.has_segments("test") and found.database["a"]["duration"] is None


@pytest.mark.parametrize(
    ("subsets", "expected", "note"),
    [
        ("training validation", "train test", "no test video: validation is tested"),
        ("validation test", "train test", "no training video: validation trains"),
        ("train val test", "train val test", None),
    ],
)
def test_what_is_called_validation_trains_or_is_tested_where_nothing_else_does(
    write, subsets, expected, note
):
    database = {f"v{n}": video(word, (1, 2, "run")) for n, word in enumerate(subsets.split())}
    found, notes = read_own_database(write(database))
    assert [entry["subset"] for entry in found.database.values()] == expected.split()
    assert notes == [] if note is None else note in notes[0]


def test_withheld_test_labels_leave_the_videos_out(write):
    held = {"a": video("training", (1, 2, "run")), "b": video("validation", (1, 2, "run"))}
    found, notes = read_own_database(write(held | {"x": video("testing"), "y": video("testing")}))
    assert {v: entry["subset"] for v, entry in found.database.items()} == {
        "a": "train",
        "b": "test",
    }
    assert "2 test videos have no label" in notes[0] and "x, y" in notes[0]


@pytest.mark.parametrize(
    ("database", "message"),
    [
        ({"a": video("trian", (1, 2, "x"))}, "video a: subset 'trian' is not one of training"),
        ({"a": video("train")}, "video a: .* no label; .*background"),
        ({"a": video("train", (2, 2, "x"))}, r"video a: segment \[2, 2\] .*empty, inverted or neg"),
        ({"a": video("train", (-1, 2, "x"))}, "video a: segment .* negative"),
        ({"a": video("train", (1, None, "x"))}, "video a: .*seconds"),
        ({"a": {"subset": "train", "annotations": [{"segment": [1, 2]}]}}, "video a: .*'label'"),
        ({"a": video("train", (1, 2, "x")), "a.mp4": video("test")}, "'a' is listed twice"),
        ({"a": video("train", (1, 2, "x"), labels=["background"])}, "video a: background stands"),
        ({"a": video("train", (1, 2, "x"))}, "no video is left to test"),
        ({"a": video("test", (1, 2, "x"))}, "no video is left to train"),
        ([], "ActivityNet's format"),
        ({"a": 3}, "video a: "),
        ({}, "no video"),
    ],
)
def test_mistakes_name_file_video_and_remedy(write, database, message):
    path = write(database)
    with pytest.raises(WstalError, match=message) as caught:
        read_own_database(path)
    assert str(path) in str(caught.value)


def test_a_file_that_is_none_is_refused_and_has_no_ids(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text("video,labels")
    with pytest.raises(WstalError, match=r"mine.json is not JSON"):
        read_own_database(path)
    assert own_files(path) == own_files(tmp_path / "none.json") == {}


def dataset(**keys):
    return {
        "kind": "folder",
        "videos": "clips",
        "labels": "mine.json",
        "segments": None,
        "shards": 2,
    } | keys


def test_one_file_holds_labels_and_segments(write, tmp_path):
    write()
    assert annotation_files("mine", dataset()) == video_files("mine", dataset()) == ["mine.json"]
    (tmp_path / "seg.csv").write_text("video,t_start,t_end,label\n")
    with pytest.raises(WstalError, match=r"mine: `segments:` names seg.csv, .* mine.json"):
        annotation_files("mine", dataset(segments="seg.csv"))
    annotations, report = read_dataset("mine", {"kind": "folder"}, [tmp_path / "mine.json"])
    assert annotations == read_own_database(tmp_path / "mine.json")[0] and report.files
    write({"a": video("train", (2, 1, "x"))})
    with pytest.raises(WstalError, match="video a: segment"):
        sound_annotation_files("mine", dataset())


def test_a_segment_corrected_lists_nothing_anew_and_a_label_does(write):
    write()
    first = own_lists("mine", dataset())
    shards = video_listing("mine", dataset())
    write({**DATABASE, "a.mp4": video("training", (1, 2, "run"), (4, 5, "jump"))})
    assert own_lists("mine", dataset()) == first and video_listing("mine", dataset()) == shards
    write({**DATABASE, "b": video("training", labels=["run"])})
    assert own_lists("mine", dataset()) != first
    write({**DATABASE, "e": video("training", (1, 2, "run"))})
    assert video_listing("mine", dataset()) != shards


def test_no_time_reaches_training(write):
    found, _ = read_own_database(write())
    for view in (training_view(found), videos_view(found)):
        assert not any(entry["annotations"] for entry in view.database.values())
