"""THUMOS14 as one database, from each of its three forms; every trap is counted and decided."""

from __future__ import annotations

import shutil
import zipfile

import pytest
import yaml
from published_sets import (
    THUMOS,
    THUMOS_FACTS,
    write_database,
    write_numpy,
    write_official,
)
from wstal.base.errors import WstalError
from wstal.datasets.annotations import training_view, videos_view
from wstal.datasets.published_sets import FilesMissing, find_differences
from wstal.datasets.thumos14 import CHOICES, read_sources, read_thumos14

V1, V2 = "video_validation_0000001", "video_validation_0000002"
T1, T2, T9 = "video_test_0000001", "video_test_0000002", "video_test_0000009"


@pytest.fixture
def files(tmp_path):
    write_official(tmp_path / "official")
    write_numpy(tmp_path / "numpy", {V1: ["CliffDiving"]})
    return sorted(path for path in tmp_path.rglob("*") if path.is_file())


def read(files, **wanted):
    return read_thumos14(files, wanted, THUMOS_FACTS)


def count(report, name):
    return next(d.count for d in report.decisions if d.choice.name == name)


def times(annotations, video):
    return [(*a["segment"], a["label"]) for a in annotations.database[video]["annotations"]]


def test_defaults(files):
    annotations, report = read(files)
    assert annotations.ids("train") == [V1, V2] and annotations.ids("test") == [T1, T2, T9]
    assert times(annotations, T1) == [(2.0, 4.0, "Diving")]  # without the empty segment
    assert len(times(annotations, T2)) == 3  # twice the same, and one after the end
    assert annotations.database[V2]["labels"] == ["CliffDiving", "Diving"]
    assert annotations.database[V1]["duration"] == 30.0  # from the numpy set
    counts = {name: count(report, name) for name in (choice.name for choice in CHOICES)}
    assert counts == {
        "source": 0,
        "video_labels": 1,
        "out_of_range": 1,
        "zero_length": 1,
        "repeated": 1,
        "cliff_diving": 1,
        "ambiguous_only": 1,
        "assumed_duration": 0,
    }


def test_every_choice_can_be_made_otherwise(files):
    assert len(times(read(files, zero_length="keep")[0], T1)) == 2
    assert (40.0, 42.0, "Diving") not in times(read(files, out_of_range="drop")[0], T2)
    assert len(times(read(files, repeated="drop")[0], T2)) == 2
    twins = read(files, cliff_diving="cliff_only")[0]
    assert times(twins, V2) == [(0.5, 3.0, "CliffDiving")]
    assert twins.database[V2]["labels"] == ["CliffDiving"]
    assert T9 not in read(files, ambiguous_only="leave_out")[0].database
    assert read(files, video_labels="labels_all")[0].database[V1]["labels"] == ["CliffDiving"]
    by_numpy = read(files, source="numpy")[1]
    assert "W-TALC" in by_numpy.source


@pytest.mark.parametrize("twins", ["both", "cliff_only"])
def test_choices_about_times_reach_neither_videos_nor_labels(files, twins):
    plain = read(files, cliff_diving=twins)[0]
    for choice in (each for each in CHOICES if each.times):
        other = read(files, cliff_diving=twins, **{choice.name: list(choice.options)[1]})[0]
        assert other != plain, choice.name
        assert training_view(other) == training_view(plain), choice.name
        assert videos_view(other) == videos_view(plain), choice.name


def test_labels_all_needs_the_numpy_set(tmp_path):
    files = write_official(tmp_path)
    with pytest.raises(WstalError, match="labels_all"):
        read(files, video_labels="labels_all")


def test_without_durations_the_known_cases_are_named(tmp_path):
    facts = THUMOS_FACTS | {"out_of_range": {T2: 1}}
    annotations, report = read_thumos14(write_official(tmp_path), {}, facts)
    assert annotations.database[T2]["duration"] is None and count(report, "out_of_range") == 0
    assert any(T2 in note for note in report.notes)


def test_durations_that_assume_30_frames_a_second_are_not_believed(tmp_path):
    path = write_database(tmp_path / "gt.json", frames=900)
    annotations, report = read([path])
    assert count(report, "assumed_duration") == 4
    assert annotations.database[V1]["duration"] is None
    assert read([path], assumed_duration="keep")[0].database[V1]["duration"] == 30.0


def test_lists_have_their_published_size_or_are_absent(files):
    annotations, report = read(files)
    assert annotations.lists["th14_3"] == [T1, T2, T9] and annotations.lists["th14_2"] == [T1, T2]
    assert "th14_7" not in annotations.lists
    assert any("th14_7" in note for note in report.notes)


def test_ambiguous_segments_are_kept_apart(files, tmp_path):
    annotations, _ = read(files)
    assert annotations.lists["ambiguous"] == [T1, T9]
    assert annotations.database[T1]["ambiguous"] == [[5.0, 6.0]]
    without = [path for path in files if "Ambiguous" not in path.name]
    annotations, report = read(without)
    assert "ambiguous" not in annotations.lists and T9 not in annotations.database
    assert any("Ambiguous_test.txt is not there" in note for note in report.notes)


def test_sources_are_compared(files, tmp_path):
    other = write_database(tmp_path / "gt.json")
    other.write_text(other.read_text().replace("2.5", "2.75"))
    _, report = read([*files, other])
    compared = [note for note in report.notes if note.startswith("Compared")]
    assert "the same videos and segments" in compared[0]
    assert f"segments differ in 1 videos: {V1}" in compared[1]


def test_missing_files_have_an_error_of_their_own(tmp_path):
    with pytest.raises(FilesMissing):
        read([])
    with pytest.raises(FilesMissing, match="of the form json"):
        read(write_official(tmp_path), source="json")


@pytest.fixture(scope="module")
def published(reference, project):
    facts = yaml.safe_load((project / "workflow/reference/datasets/thumos14.yaml").read_text())
    return reference / "data/annotations/thumos14", facts


def below(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_published_counts(published):
    folder, facts = published
    annotations, report = read_thumos14(below(folder), {}, facts)
    assert len(annotations.classes) == 20 and annotations.classes == sorted(annotations.classes)
    for subset, videos, instances in (("train", 200, 3007), ("test", 213, 3358)):
        assert len(annotations.ids(subset)) == videos
        assert len(annotations.ground_truth(subset)) == instances
    counts = {decision.choice.name: decision.count for decision in report.decisions}
    assert counts["out_of_range"] == 22 + 3 + 1 + 2 + 2
    assert counts["cliff_diving"] == 143 + 217
    assert counts["video_labels"] == 28
    assert counts["zero_length"] == counts["repeated"] == 0
    assert counts["ambiguous_only"] == 1
    assert any(note.startswith("17 test instances have no length") for note in report.notes)
    several = [v for v, e in annotations.database.items() if len(e["labels"]) > 1]
    assert sum("validation" in v for v in several) == 27 and len(several) == 27 + 34
    truth = annotations.ground_truth("test")
    sizes = {f"th14_{n}": k for n, k in ((213, 3358), (212, 3358), (211, 3329), (210, 3311))}
    assert {
        name: int(truth["video_id"].isin(ids).sum())
        for name, ids in annotations.lists.items()
        if name != "ambiguous"
    } == sizes
    test_only = [annotations.database[v].get("ambiguous", []) for v in annotations.ids("test")]
    assert sum(map(len, test_only)) == 99 and sum(map(bool, test_only)) == 37


def test_the_three_published_sources_agree(published):
    folder, facts = published
    _, report = read_thumos14(below(folder), {}, facts)
    compared = [note for note in report.notes if note.startswith("Compared")]
    assert len(compared) == 2
    assert all("the same videos and segments" in note for note in compared)


def test_databases_of_other_repositories_differ_as_reported(published):
    folder, facts = published
    annotations, report = read_thumos14([folder / "basnet_gt.json"], {}, facts)
    assert len(annotations.ids("test")) == 210 and list(annotations.lists) == ["th14_210"]
    assert sum("not available" in note for note in report.notes) == 3
    annotations, report = read_thumos14([folder / "acmnet_gt.json"], {}, facts)
    assert next(d.count for d in report.decisions if d.choice.name == "assumed_duration") == 412
    assert len(annotations.ground_truth("test")) == 3358


CLASSES = THUMOS_FACTS["classes"]


def segments(found):
    return {video: sorted(entry.segments) for video, entry in found.videos.items()}


def everything(folder):
    write_official(folder / "official")
    write_numpy(folder / "numpy")
    write_database(folder / "json/thumos14.json", text=True)
    (folder / "json/fps_dict.json").write_text('{"video_test_0000001": 30.0}')
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_all_forms_are_found_and_agree(tmp_path):
    found = read_sources(everything(tmp_path), CLASSES)
    assert list(found) == ["official", "numpy", "json"]
    for form in found.values():
        assert segments(form) == {video: sorted(each) for video, each in THUMOS.items()}
        assert form.ambiguous["video_test_0000009"] == [[0.0, 1.4]]
        assert find_differences(found["official"], form) == []


def test_zip_archives_are_read_without_unpacking(tmp_path):
    plain = write_official(tmp_path / "text")
    for subset in ("val", "test"):
        with zipfile.ZipFile(tmp_path / f"TH14_{subset}.zip", "w") as archive:
            for path in plain:
                if path.stem.endswith(subset):
                    archive.write(path, f"annotation/{path.name}")
    found = read_sources(sorted(tmp_path.glob("*.zip")), CLASSES)
    assert segments(found["official"]) == segments(read_sources(plain, CLASSES)["official"])
    assert len(found["official"].files) == 2


def test_two_copies_of_a_file_must_be_equal(tmp_path):
    files = write_official(tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    both = sorted(tmp_path.rglob("*.txt"))
    assert segments(read_sources(both, CLASSES)["official"])
    (tmp_path / "b" / files[1].name).write_text("video_test_0000001  1 2\n")
    with pytest.raises(WstalError, match="keep one"):
        read_sources(both, CLASSES)


def test_a_class_without_its_file_is_named(tmp_path):
    files = [path for path in write_official(tmp_path) if path.name != "Diving_test.txt"]
    with pytest.raises(WstalError, match="Diving_test.txt"):
        read_sources(files, CLASSES)


def test_a_test_video_among_the_validation_files_is_refused(tmp_path):
    files = write_official(tmp_path)
    (tmp_path / "Diving_val.txt").write_text("video_test_0000001  1 2\n")
    with pytest.raises(WstalError, match="not a video of THUMOS14's val"):
        read_sources(files, CLASSES)


def test_a_line_of_another_form_is_shown(tmp_path):
    files = write_official(tmp_path)
    (tmp_path / "Diving_val.txt").write_text("video_validation_0000001  1\n")
    with pytest.raises(WstalError, match="video_validation_0000001 1"):
        read_sources(files, CLASSES)


def test_the_fullest_database_is_read(tmp_path):
    small = write_database(tmp_path / "a.json")
    small.write_text(small.read_text().replace("video_test_0000002", "elsewhere"))
    full = write_database(tmp_path / "b.json", frames=900)
    write_database(tmp_path / "c.json")
    found = read_sources([small, full, tmp_path / "c.json"], CLASSES)
    assert found["json"].files == [full]


def test_files_of_other_datasets_are_not_a_source(tmp_path):
    (tmp_path / "a.json").write_text('{"database": {"v_x": {"subset": "training"}}}')
    (tmp_path / "b.txt").write_text("hello")
    assert read_sources(sorted(tmp_path.iterdir()), CLASSES) == {}
