"""The annotation database, its views and the digest of a run's data."""

from __future__ import annotations

import numpy as np
import pytest
from wstal.base.errors import WstalError
from wstal.datasets.annotations import (
    Annotations,
    data_digest,
    read_annotations,
    training_view,
    videos_view,
    write_annotations,
)


def entry(subset, duration, labels, *segment):
    annotations = [{"segment": list(segment[:2]), "label": segment[2]}]
    return {"subset": subset, "duration": duration, "labels": labels, "annotations": annotations}


DATABASE = {
    "a": entry("train", 9.0, ["x", "y"], 1, 2, "x"),
    "b": entry("test", 8.0, ["y"], 3, 4, "y"),
}


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


def test_every_part_type_shape_and_border_counts():
    rows = np.arange(6, dtype=np.float32)
    cases = [
        ["a", rows],
        ["b", rows],
        ["a", rows + 1],
        ["a", rows.astype(np.float64)],
        ["a", rows.reshape(2, 3)],
        ["a", rows[:3], rows[3:]],
        ["a", "b"],
        ["ab"],
        [],
    ]
    assert len({data_digest(parts) for parts in cases}) == len(cases)


def test_memory_layout_does_not_count():
    rows = np.arange(6.0).reshape(2, 3)
    assert data_digest([np.asfortranarray(rows)]) == data_digest([rows])
    assert data_digest([np.empty((0, 4))]) == data_digest([np.empty((0, 4))])
