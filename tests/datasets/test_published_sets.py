"""Published annotation sets: the two shared forms, lists, comparisons and files."""

from __future__ import annotations

import csv
import hashlib
import json
import zipfile

import numpy as np
import pytest
from published_sets import THUMOS, write_database, write_numpy, write_object_array
from wstal.base.errors import WstalError
from wstal.datasets.published_sets import (
    LabelledVideo,
    PublishedSet,
    expand_fetched,
    find_differences,
    hash_files,
    make_exclusion_lists,
    make_segment,
    numpy_folders,
    read_database,
    read_id_lists,
    read_numpy_set,
    read_texts,
)


@pytest.mark.parametrize("text", [False, True])
def test_times_as_numbers_and_as_text_are_the_same(tmp_path, text):
    found = read_database(write_database(tmp_path / "a.json", text=text))
    assert {video: entry.segments for video, entry in found.videos.items()} == THUMOS
    assert {entry.subset for entry in found.videos.values()} == {"test", "validation"}
    assert found.name == "a.json (small)"


def test_other_json_is_not_a_database(tmp_path):
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


def test_a_file_that_is_not_json_is_named(tmp_path):
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(WstalError, match=r"a\.json is not JSON"):
        read_database(tmp_path / "a.json")


def test_a_numpy_set_is_read_as_it_was_written(tmp_path):
    files = write_numpy(tmp_path / "set")
    assert list(numpy_folders(files)) == [tmp_path / "set"]
    found = read_numpy_set(tmp_path / "set")
    assert {video: entry.segments for video, entry in found.videos.items()} == THUMOS
    first = found.videos["video_validation_0000001"]
    assert (first.subset, first.duration, first.fps) == ("validation", 30.0, 30.0)
    assert first.labels == ["Diving"]
    assert any("10 frames" in note for note in found.notes)


def test_arrays_of_unequal_length_are_refused_by_name(tmp_path):
    write_numpy(tmp_path)
    np.save(tmp_path / "duration.npy", np.zeros((3, 1)))
    with pytest.raises(WstalError, match=r"duration\.npy has 3"):
        read_numpy_set(tmp_path)


def test_segments_and_labels_must_pair(tmp_path):
    write_numpy(tmp_path)
    write_object_array(tmp_path / "labels.npy", [["Diving"]] * 4)
    with pytest.raises(WstalError, match="video_validation_0000001"):
        read_numpy_set(tmp_path)


def test_an_absent_array_is_named(tmp_path):
    write_numpy(tmp_path)
    (tmp_path / "labels.npy").unlink()
    with pytest.raises(WstalError, match=r"labels\.npy"):
        read_numpy_set(tmp_path)


def test_the_published_numpy_set(reference):
    folder = reference / "data/annotations/thumos14/Thumos14reduced-Annotations"
    found = read_numpy_set(folder)
    assert len(found.videos) == 412 and sum(len(e.segments) for e in found.videos.values()) == 6365
    differing = [
        v for v, e in found.videos.items() if set(e.labels) != {label for *_, label in e.segments}
    ]
    assert len(differing) == 28
    assert sum("validation" in video for video in differing) == 8
    rates = [round(entry.fps) for entry in found.videos.values()]
    assert [rates.count(rate) for rate in (30, 25, 24)] == [399, 11, 2]


def small(name, **videos):
    return PublishedSet(name, [], {v: LabelledVideo("test", s, d) for v, (s, d) in videos.items()})


def test_segments_are_finite_seconds():
    assert make_segment("1.5", 2, " Polo ", "here") == (1.5, 2.0, "Polo")
    for bad in ("x", None, float("inf")):
        with pytest.raises(WstalError, match="here"):
            make_segment(0, bad, "Polo", "here")


def test_sets_that_agree_have_no_differences():
    a = small("a", v=([(0, 1, "x"), (2, 3, "y")], 9.0))
    b = small("b", v=([(2, 3, "y"), (0, 1, "x")], 9.1))
    assert find_differences(a, b) == []


def test_every_kind_of_difference_is_counted():
    a = small("one", v=([(0, 1, "x")], 9.0), w=([], None))
    b = small("two", v=([(0, 1.1, "x")], 12.0), u=([], None))
    found = " | ".join(find_differences(a, b))
    assert "1 videos only in one: w" in found and "1 videos only in two: u" in found
    assert "segments differ in 1 videos: v" in found and "durations differ" in found


def test_a_list_of_another_length_is_not_available():
    database = {v: {"subset": "test"} for v in "abc"} | {"t": {"subset": "train"}}
    known = {
        "three": {"videos": 3, "without": []},
        "two": {"videos": 2, "without": ["b"]},
        "four": {"videos": 4, "without": []},
    }
    lists, absent = make_exclusion_lists(database, known)
    assert lists == {"three": ["a", "b", "c"], "two": ["a", "c"]}
    assert len(absent) == 1 and "four has 4 videos; these files give 3" in absent[0]


def test_files_of_one_id_per_line_become_lists(tmp_path):
    (tmp_path / "Split-Test.txt").write_text("v_aa\nbb\nbb\ngone\n")
    (tmp_path / "classes.txt").write_text("1 Polo\n2 Tango\n")
    (tmp_path / "words.txt").write_text("nothing\nknown\n")
    found = read_id_lists(sorted(tmp_path.iterdir()), {"aa": 1, "bb": 1})
    assert found == {"split_test": ["aa", "bb"]}


def test_texts_are_read_from_archives_too(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("annotation/Diving_val.txt", "inside")
        archive.writestr("__MACOSX/annotation/._Diving_val.txt", "hidden")
        archive.writestr("annotation/readme.md", "no text file")
    (tmp_path / "b.txt").write_text("beside")
    found = [(name, text) for _, name, text in read_texts(sorted(tmp_path.iterdir()))]
    assert found == [("Diving_val.txt", "inside"), ("b.txt", "beside")]


def test_a_list_of_fetched_files_stands_for_them(tmp_path):
    (tmp_path / "x.txt").write_text("x")
    (tmp_path / "fetched.csv").write_text("file,url,bytes,sha256\nx.txt,http://h/x,1,00\n")
    other = tmp_path / "other.csv"
    assert expand_fetched([tmp_path / "fetched.csv", other]) == [tmp_path / "x.txt", other]


def test_files_are_hashed(tmp_path):
    (tmp_path / "x.txt").write_text("x")
    path = tmp_path / "x.txt"
    assert hash_files([path]) == {str(path): hashlib.sha256(b"x").hexdigest()}
