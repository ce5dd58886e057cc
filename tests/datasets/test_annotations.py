"""What all published annotation sets share."""

from __future__ import annotations

import hashlib
import zipfile

import numpy as np
import pytest
from wstal.base.errors import WstalError
from wstal.datasets.annotations import (
    Annotations,
    PublishedSet,
    PublishedVideo,
    data_digest,
    differences,
    digests,
    exclusion_lists,
    id_lists,
    listed,
    read_annotations,
    segment,
    texts,
    training_view,
    videos_view,
    write_annotations,
)

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


def small(name, **videos):
    return PublishedSet(name, [], {v: PublishedVideo("test", s, d) for v, (s, d) in videos.items()})


def test_segments_are_finite_seconds():
    assert segment("1.5", 2, " Polo ", "here") == (1.5, 2.0, "Polo")
    for bad in ("x", None, float("inf")):
        with pytest.raises(WstalError, match="here"):
            segment(0, bad, "Polo", "here")


def test_sets_that_agree_have_no_differences():
    a = small("a", v=([(0, 1, "x"), (2, 3, "y")], 9.0))
    b = small("b", v=([(2, 3, "y"), (0, 1, "x")], 9.1))
    assert differences(a, b) == []


def test_every_kind_of_difference_is_counted():
    a = small("one", v=([(0, 1, "x")], 9.0), w=([], None))
    b = small("two", v=([(0, 1.1, "x")], 12.0), u=([], None))
    found = " | ".join(differences(a, b))
    assert "1 videos only in one: w" in found and "1 videos only in two: u" in found
    assert "segments differ in 1 videos: v" in found and "durations differ" in found


def test_lists_of_another_length_are_not_given_out_under_their_name():
    database = {v: {"subset": "test"} for v in "abc"} | {"t": {"subset": "train"}}
    known = {
        "three": {"videos": 3, "without": []},
        "two": {"videos": 2, "without": ["b"]},
        "four": {"videos": 4, "without": []},
    }
    lists, absent = exclusion_lists(database, known)
    assert lists == {"three": ["a", "b", "c"], "two": ["a", "c"]}
    assert len(absent) == 1 and "four has 4 videos; these files give 3" in absent[0]


def test_files_of_one_id_per_line_become_lists(tmp_path):
    (tmp_path / "Split-Test.txt").write_text("v_aa\nbb\nbb\ngone\n")
    (tmp_path / "classes.txt").write_text("1 Polo\n2 Tango\n")
    (tmp_path / "words.txt").write_text("nothing\nknown\n")
    found = id_lists(sorted(tmp_path.iterdir()), {"aa": 1, "bb": 1})
    assert found == {"split_test": ["aa", "bb"]}


def test_texts_are_read_from_archives_too(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("annotation/Diving_val.txt", "inside")
        archive.writestr("__MACOSX/annotation/._Diving_val.txt", "hidden")
        archive.writestr("annotation/readme.md", "no text file")
    (tmp_path / "b.txt").write_text("beside")
    found = [(name, text) for _, name, text in texts(sorted(tmp_path.iterdir()))]
    assert found == [("Diving_val.txt", "inside"), ("b.txt", "beside")]


def test_a_list_of_fetched_files_stands_for_them(tmp_path):
    (tmp_path / "x.txt").write_text("x")
    (tmp_path / "fetched.csv").write_text("file,url,bytes,sha256\nx.txt,http://h/x,1,00\n")
    other = tmp_path / "other.csv"
    assert listed([tmp_path / "fetched.csv", other]) == [tmp_path / "x.txt", other]


def test_digests_identify_the_files(tmp_path):
    (tmp_path / "x.txt").write_text("x")
    path = tmp_path / "x.txt"
    assert digests([path]) == {str(path): hashlib.sha256(b"x").hexdigest()}


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
