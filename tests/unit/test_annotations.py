import numpy as np
import pytest
from wstal.data.annotations import (
    Annotations,
    read_annotations,
    training_view,
    videos_view,
    write_annotations,
)
from wstal.errors import WstalError

DATABASE = {
    "a": {"subset": "train", "duration": 9.0, "labels": ["x", "y"], "annotations": [{"segment": [1, 2], "label": "x"}]},
    "b": {"subset": "test", "duration": 8.0, "labels": ["y"], "annotations": [{"segment": [3, 4], "label": "y"}]},
}  # fmt: skip


def test_round_trip_and_views(tmp_path):
    annotations = Annotations(["x", "y"], DATABASE, {"th": ["b"]})
    write_annotations(tmp_path / "a.json", annotations)
    again = read_annotations(tmp_path / "a.json")
    assert again == annotations
    assert (
        again.ids("train") == ["a"] and again.has_segments("test") and not again.has_segments("val")
    )
    assert np.array_equal(again.label_matrix(["b", "a"]), [[0, 1], [1, 1]])
    assert again.ground_truth("test").values.tolist() == [["b", 3.0, 4.0, "y"]]
    assert again.ground_truth("val").dtypes["t_start"] == "float64"


def test_training_sees_neither_times_nor_test_videos():
    view = training_view(Annotations(["x", "y"], DATABASE))
    assert list(view.database) == ["a"] and view.database["a"]["annotations"] == []
    assert view.database["a"]["labels"] == ["x", "y"] and DATABASE["a"]["annotations"]


def test_what_handles_videos_sees_neither_times_nor_labels():
    whole = {"a": {**DATABASE["a"], "file": "a1", "ambiguous": [[5, 6]]}, "b": DATABASE["b"]}
    view = videos_view(Annotations(["x", "y"], whole, {"th": ["b"]}))
    nothing = {"labels": [], "annotations": []}
    assert view.database["a"] == {"subset": "train", "duration": 9.0, "file": "a1", **nothing}
    assert view.ids("test") == ["b"] and not view.classes and not view.lists


def test_bad_files_are_named(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("{")
    with pytest.raises(WstalError, match=r"a\.json is not an annotation database"):
        read_annotations(path)
    path.write_text(
        '{"classes": [], "database": {"v": {"subset": "testing", "labels": [], "annotations": []}}}'
    )
    with pytest.raises(WstalError, match=r"a\.json: video v: subset 'testing'"):
        read_annotations(path)
    with pytest.raises(WstalError, match=r"labels \['z'\] are not among"):
        Annotations(["x"], {"v": {"subset": "train", "labels": ["z"], "annotations": []}})
