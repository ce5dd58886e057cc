"""Ground truth from this project's files and from other tools', and its coverage."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from evaluation_cases import DATABASE, truth, write_truth
from wstal.base.errors import WstalError
from wstal.datasets.annotations import read_annotations
from wstal.evaluate.ground_truth import (
    coverage_of,
    find_late_segments,
    read_durations,
    read_ground_truth,
    read_usable,
)


def activitynet(path, names, **more):
    """A file of another tool: subsets renamed, no classes, no labels."""
    database = {
        video: {
            "subset": names[entry["subset"]],
            "duration": entry["duration"],
            "annotations": entry["annotations"],
        }
        for video, entry in DATABASE.items()
    }
    path.write_text(json.dumps({"version": "VERSION 1.3", "database": database | more}))
    return path


def test_agrees_with_the_annotations_reader(tmp_path):
    path = write_truth(tmp_path / "a.json")
    ours, theirs = read_ground_truth(path), read_annotations(path)
    assert ours.classes == theirs.classes and ours.ids(["test"]) == theirs.ids("test")
    assert ours.segments(ours.ids(["test"])).equals(theirs.ground_truth("test"))
    assert (ours.label_matrix(["v2", "v1"]) == theirs.label_matrix(["v2", "v1"])).all()


def test_activitynet_scores_validation_where_test_is_secret(tmp_path):
    names = {"test": "validation", "val": "training", "train": "training"}
    secret = {"v9": {"subset": "testing", "duration": 3, "annotations": []}}
    found = read_ground_truth(activitynet(tmp_path / "a.json", names, **secret))
    assert found.ids(["test"]) == ["v1", "v2"] and found.ids(["train"]) == ["v3", "v4"]
    assert found.classes == ["dive", "jump"] and found.labels["v1"] == ["dive", "jump"]


def test_other_names_of_subsets(tmp_path):
    names = {"test": "Test", "val": "Validation", "train": "Validation"}
    path = activitynet(tmp_path / "a.json", names)
    assert read_ground_truth(path).ids(["test"]) == ["v1", "v2"]
    assert read_ground_truth(path, "Validation").ids(["test"]) == ["v3", "v4"]
    with pytest.raises(WstalError, match=r"'testing'.*'test': 2"):
        read_ground_truth(path, "testing")


@pytest.mark.parametrize("segment", [[3, 2], [-1, 2], [0, float("inf")], [0, 1e308]])
def test_impossible_segments_are_refused(tmp_path, segment):
    database = {"v": {"subset": "test", "annotations": [{"segment": segment, "label": "a"}]}}
    (tmp_path / "a.json").write_text(json.dumps({"database": database}))
    with pytest.raises(WstalError, match=r"a\.json: video v: segment .* negative, inverted"):
        read_ground_truth(tmp_path / "a.json")


def test_zero_length_is_kept_and_other_formats_are_refused(tmp_path):
    database = {"v": {"subset": "test", "annotations": [{"segment": [2, 2], "label": "a"}]}}
    (tmp_path / "a.json").write_text(json.dumps({"database": database}))
    assert len(read_ground_truth(tmp_path / "a.json").frame) == 1
    for text in ("{}", "[1]", '{"database": {"v": 3}}', "no JSON"):
        (tmp_path / "a.json").write_text(text)
        with pytest.raises(WstalError, match="ground truth in ActivityNet's format"):
            read_ground_truth(tmp_path / "a.json")
    database["v"]["annotations"] = [{"label": "a"}]
    (tmp_path / "a.json").write_text(json.dumps({"database": database}))
    with pytest.raises(WstalError, match="not a segment with a label"):
        read_ground_truth(tmp_path / "a.json")


@pytest.mark.parametrize("labels", ["run", [""], {"run": 1}, [["run"]]])
def test_labels_that_are_no_list_of_names_are_refused(tmp_path, labels):
    content = {"database": {"v": {"subset": "test", "labels": labels, "annotations": []}}}
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(WstalError, match=r"a\.json: video v: labels (is|has) .*name"):
        read_ground_truth(tmp_path / "a.json")


def test_times_are_not_the_letters_of_a_text(tmp_path):
    database = {"v": {"subset": "test", "annotations": [{"segment": "12", "label": "a"}]}}
    (tmp_path / "a.json").write_text(json.dumps({"database": database}))
    with pytest.raises(WstalError, match="not a segment with a label .*not two times"):
        read_ground_truth(tmp_path / "a.json")


@pytest.mark.parametrize("label", [None, ["a", "b"], {"a": 1}, 1.5])
def test_a_label_that_is_not_a_name_is_refused(tmp_path, label):
    segments = [{"segment": [0, 1], "label": "a"}, {"segment": [2, 3], "label": label}]
    content = {"database": {"v": {"subset": "test", "annotations": segments}}}
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(WstalError, match=r"a\.json: video v: .* is not a name"):
        read_ground_truth(tmp_path / "a.json")


def test_ambiguous_segments_come_from_the_file_or_a_list_or_are_an_error(tmp_path):
    plain = truth(tmp_path)
    with pytest.raises(WstalError, match=r"protocol p needs the ambiguous.*--ambiguous"):
        plain.ambiguous_segments("p")
    database = DATABASE | {"v1": DATABASE["v1"] | {"ambiguous": [[4, 5.5]]}}
    own = truth(tmp_path, lists={"ambiguous": ["v1"]}, database=database)
    assert own.ambiguous_segments("p").to_numpy().tolist() == [["v1", 4.0, 5.5]]
    listed = tmp_path / "Ambiguous_test.txt"
    listed.write_text("v1  4 5.5\n\nv2  0.0 1.0\n")
    assert len(plain.with_ambiguous(listed).ambiguous_segments("p")) == 2
    listed.write_text("v1 4\n")
    with pytest.raises(WstalError, match="line 1"):
        plain.with_ambiguous(listed)
    with pytest.raises(WstalError, match="cannot be read"):
        plain.with_ambiguous(tmp_path / "absent.txt")


def test_a_label_outside_the_files_own_classes(tmp_path):
    with pytest.raises(WstalError, match=r"labels \['jump'\] are not among its classes"):
        truth(tmp_path, classes=["dive", "hop"])


def test_counts_videos_and_their_instances(tmp_path):
    instances = truth(tmp_path).segments(["v1", "v2"])
    part = coverage_of(instances, ["v1", "v2"], {"v1", "v9"})
    assert str(part) == "1/2 videos; 2/3 instances" and part.missing == ("v2",)
    assert str(coverage_of(instances, ["v1", "v2"], None)) == "2/2 videos; 3/3 instances"
    assert str(coverage_of(instances, ["v1", "v2"], None, 5)) == "2/5 videos; 3/3 instances"


def test_reads_coverage_and_manifest(tmp_path):
    path = tmp_path / "coverage.csv"
    path.write_text("id,split,status,rows,reason\nv1,test,ok,12,\nv2,test,broken,0,cut off\n")
    assert read_usable(path) == {"v1"}
    assert read_usable(path, ["v1", "v2"]) == {"v1"}
    with pytest.raises(WstalError, match=r"coverage\.csv has no row for 1 of the videos .*\(v3\)"):
        read_usable(path, ["v1", "v3"])
    path.write_text("id,rows\nv1,12\nv1,0\n")
    with pytest.raises(WstalError, match=r"coverage\.csv, line 3: id 'v1' is repeated"):
        read_usable(path)
    path.write_text("video,rows\nv1,1\n")
    with pytest.raises(WstalError, match=r"coverage\.csv: columns \['id'\] are missing"):
        read_usable(path)
    path.write_text("id,duration\nv1,12.5\nv2,\nv3,0\n")
    assert read_durations(path) == {"v1": 12.5}


def test_segments_past_the_end_of_their_video_are_reported():
    rows = [("a", 1.0, 10.5, "x"), ("b", 250.0, 375.0, "x"), ("c", 9.0, 99.0, "x")]
    segments = pd.DataFrame(rows, columns=["video_id", "t_start", "t_end", "label"])
    assert find_late_segments(segments, {"a": 10.0, "b": 400.0}) == ""  # of c nothing is known
    line = find_late_segments(segments, {"a": 10.0, "b": 15.0})
    assert line.startswith(
        "1 of 3 annotated segments end after their video, such as b 250 to 375 s"
    )
