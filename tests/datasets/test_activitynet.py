"""ActivityNet as one database: every known trap is counted and can be decided otherwise."""

import json

import pytest
import yaml
from wstal.base.errors import WstalError
from wstal.datasets.activitynet import CHOICES, read_activitynet
from wstal.datasets.annotations import training_view, videos_view
from wstal.datasets.published_sets import FilesMissing

A, B, C, D = (f"{letter}0123456789" for letter in "abcd")
FACTS = {"classes": ["Playing volleyball", "Polo"], "renamed": {"Playing volleyball": "Volleyball"}}


def entry(subset, *segments, duration=20.0):
    annotations = [{"segment": [s, e], "label": label} for s, e, label in segments]
    return {"subset": subset, "duration": duration, "annotations": annotations, "url": "http://y"}


VIDEOS = {
    f"v_{A}": entry("training", (0, 5, "Polo"), (0, 5, "Polo"), (6, 20.5, "Playing volleyball")),
    B: entry("training", (3, 3, "Polo")),
    C: entry("validation", (1, 2, "Playing volleyball")),
    D: entry("testing"),
    "e0123456789": entry("validation"),
}


def write(path, videos=VIDEOS):
    path.write_text(json.dumps({"version": "VERSION 1.2", "database": videos, "taxonomy": []}))
    return path


def read(path, facts=FACTS, **wanted):
    return read_activitynet([path], wanted, facts)


def times(annotations, video):
    return [tuple(item["segment"]) for item in annotations.database[video]["annotations"]]


def test_defaults(tmp_path):
    annotations, report = read(write(tmp_path / "a.json"))
    assert annotations.ids("train") == [A, B] and annotations.ids("test") == [C]
    assert times(annotations, A) == [(0.0, 5.0), (0.0, 5.0), (6.0, 20.5)]
    assert times(annotations, B) == [] and annotations.database[B]["labels"] == ["Polo"]
    assert annotations.classes == ["Playing volleyball", "Polo"]
    assert {d.choice.name: d.count for d in report.decisions} == {
        "id_prefix": 1,
        "testing": 1,
        "unlabelled": 1,
        "zero_length": 1,
        "past_end": 1,
        "repeated": 1,
        "renamed": 2,
    }


def test_every_choice_can_be_made_otherwise(tmp_path):
    path = write(tmp_path / "a.json")
    assert f"v_{A}" in read(path, id_prefix="keep")[0].database
    assert "e0123456789" in read(path, unlabelled="keep")[0].database
    assert times(read(path, zero_length="keep")[0], B) == [(3.0, 3.0)]
    assert times(read(path, past_end="clip")[0], A)[-1] == (6.0, 20.0)
    assert len(times(read(path, repeated="drop")[0], A)) == 2
    assert read(path, renamed="v1_3")[0].classes == ["Polo", "Volleyball"]


def test_choices_about_times_reach_neither_videos_nor_labels(tmp_path):
    path = write(tmp_path / "a.json")
    plain = read(path)[0]
    for choice in (each for each in CHOICES if each.times):
        other = read(path, **{choice.name: list(choice.options)[1]})[0]
        assert other != plain, choice.name
        assert training_view(other) == training_view(plain), choice.name
        assert videos_view(other) == videos_view(plain), choice.name


def test_the_file_before_any_choice_is_matched_with_the_known_copies(tmp_path):
    counts = {"train": {"videos": 2, "instances": 4}, "test": {"videos": 2, "instances": 1}}
    path = write(tmp_path / "a.json")
    note = read(path, FACTS | {"variants": {"cut": counts}})[1].notes[0]
    assert "train 2 videos, 4 instances" in note and "`cut`" in note
    counts["train"]["videos"] = 3
    assert "`cut`" not in read(path, FACTS | {"variants": {"cut": counts}})[1].notes[0]


def test_another_version_is_refused(tmp_path):
    with pytest.raises(WstalError, match="2 classes, this version of ActivityNet has 1"):
        read(write(tmp_path / "a.json"), {"classes": ["Polo"]})


def test_an_id_with_and_without_prefix_is_refused(tmp_path):
    path = write(tmp_path / "a.json", VIDEOS | {A: VIDEOS[C]})
    with pytest.raises(WstalError, match="with and without v_"):
        read(path)


def test_an_id_that_begins_with_the_prefix_itself_is_left(tmp_path):
    path = write(tmp_path / "a.json", VIDEOS | {"v_123456789": VIDEOS[C]})
    assert "v_123456789" in read(path)[0].database


def test_an_unknown_subset_and_an_empty_folder_are_refused(tmp_path):
    with pytest.raises(WstalError, match="'holdout'"):
        read(write(tmp_path / "a.json", {A: entry("holdout")}))
    with pytest.raises(FilesMissing):
        read_activitynet([], {}, FACTS)


def test_split_files_become_lists(tmp_path):
    write(tmp_path / "a.json")
    (tmp_path / "split_test.txt").write_text(f"v_{C}\nv_{D}\n")
    annotations, _ = read_activitynet(sorted(tmp_path.iterdir()), {}, FACTS)
    assert annotations.lists == {}  # half of the ids are unknown: no list of this database
    (tmp_path / "split_test.txt").write_text(f"v_{C}\n")
    annotations, _ = read_activitynet(sorted(tmp_path.iterdir()), {}, FACTS)
    assert annotations.lists == {"split_test": [C]}


def published(reference, project, name, **wanted):
    facts = yaml.safe_load((project / f"workflow/reference/datasets/{name}.yaml").read_text())
    files = sorted((reference / "data/annotations" / name).iterdir())
    return read_activitynet(files, wanted, facts)


def test_published_reduced_version_1_2(reference, project):
    annotations, report = published(reference, project, "activitynet12", zero_length="keep")
    assert len(annotations.classes) == 100
    for subset, videos, instances in (("train", 4441, 6588), ("test", 2198, 3281)):
        assert len(annotations.ids(subset)) == videos
        assert len(annotations.ground_truth(subset)) == instances
    assert "`missing_removed`" in report.notes[0]
    counts = {decision.choice.name: decision.count for decision in report.decisions}
    assert counts["zero_length"] == 9 and counts["testing"] == 2268
    assert sum(len(entry["labels"]) > 1 for entry in annotations.database.values()) == 9
    dropped, _ = published(reference, project, "activitynet12")
    assert len(dropped.ground_truth("train")) == 6582 and len(dropped.ids("train")) == 4441


def test_published_copy_of_version_1_3(reference, project):
    annotations, report = published(reference, project, "activitynet13")
    assert len(annotations.classes) == 200 and "Volleyball" in annotations.classes
    assert [len(annotations.ids(subset)) for subset in ("train", "test")] == [9649, 4728]
    assert "`bmn`" in report.notes[0]
    assert not any(video.startswith("v_") and len(video) == 13 for video in annotations.database)
    split = annotations.lists["acmnet_split_test"]
    assert len(split) == 4427 - 8 and set(split) <= set(annotations.ids("test"))


def test_version_1_2_is_named_within_1_3(reference, project):
    old = published(reference, project, "activitynet12", renamed="v1_3")[0]
    new = published(reference, project, "activitynet13")[0]
    assert set(old.classes) <= set(new.classes)
    both = [v for v in old.database if v in new.database]
    moved = [v for v in both if old.database[v]["labels"] != new.database[v]["labels"]]
    assert len(both) > 6600 and len(moved) == 2
