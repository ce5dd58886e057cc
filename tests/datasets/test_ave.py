"""AVE as one database: every known trap is counted and can be decided otherwise."""

import h5py
import numpy as np
import pytest
import yaml
from published_sets import write_ave
from wstal.base.errors import WstalError
from wstal.datasets.annotations import training_view
from wstal.datasets.ave import read_ave
from wstal.datasets.published_sets import FilesMissing

A, B, C, D, E = (letter * 11 for letter in "abcde")


def read(folder, **wanted):
    return read_ave(sorted(folder.iterdir()), wanted, {})


def counts(report):
    return {decision.choice.name: decision.count for decision in report.decisions}


@pytest.mark.parametrize("header", [False, True])
@pytest.mark.parametrize("orders", [False, True])
def test_every_form_gives_the_same_database(tmp_path, header, orders):
    write_ave(tmp_path, header=header, orders=orders)
    annotations, report = read(tmp_path)
    assert annotations.classes == ["Bark", "Violin"]  # order of first appearance
    assert annotations.ids("train") == [A, B, C]
    assert annotations.ids("val") == [D] and annotations.ids("test") == [f"{A}.2", E]
    second = annotations.database[f"{A}.2"]
    assert second["file"] == A and second["row"] == 3 and second["labels"] == ["Violin"]
    assert annotations.database[C] | {"annotations": []} == annotations.database[C]
    assert annotations.database[B]["annotations"] == [{"segment": [2.0, 7.0], "label": "Violin"}]
    assert counts(report) | {"split": 0} == {
        "split": 0,
        "shared_videos": 1,
        "repeated_videos": 1,
        "zero_length": 1,
        "background_clips": 0,
    }
    assert ("one header" in report.notes[0]) == header


def test_lists_are_named_by_their_size(tmp_path):
    write_ave(tmp_path)
    lists = read(tmp_path)[0].lists
    assert lists["ave_test2"] == [f"{A}.2", E] and lists["ave_test3"] == [f"{A}.2", D, E]
    assert lists["ave_test_unshared"] == [E]


def test_training_rows_of_test_videos_can_be_left_out(tmp_path):
    write_ave(tmp_path)
    annotations, _ = read(tmp_path, shared_videos="drop_train")
    assert annotations.ids("train") == [B, C]
    assert annotations.lists["ave_test_unshared"] == annotations.ids("test")


def test_order_files_win_and_their_difference_is_counted(tmp_path):
    write_ave(tmp_path, orders=False)
    text = (tmp_path / "trainSet.txt").read_text()
    write_ave(tmp_path)
    with h5py.File(tmp_path / "train_order.h5", "w") as file:
        file["order"] = np.array([0, 1])
    with h5py.File(tmp_path / "val_order.h5", "w") as file:
        file["order"] = np.array([4, 2])
    annotations, report = read(tmp_path)
    assert C in annotations.ids("val")
    assert any("2 rows into different splits" in note for note in report.notes)
    assert C in read(tmp_path, split="text")[0].ids("train") and C in text


def write_noisy(folder, rows=7):
    with h5py.File(folder / "labels_noisy.h5", "w") as file:
        file["avadataset"] = np.zeros((rows, 29))


def test_background_clips_train_without_a_label(tmp_path):
    write_ave(tmp_path)
    write_noisy(tmp_path)
    annotations, report = read(tmp_path)
    assert counts(report)["background_clips"] == 7
    assert annotations.ids("train")[:3] == [A, B, C]
    clips = annotations.ids("train")[3:]
    assert clips == [f"background_{i:03d}" for i in range(7)]
    assert annotations.database["background_004"] == {
        "row": 4,
        "features_only": True,
        "subset": "train",
        "duration": 10.0,
        "labels": [],
        "annotations": [],
    }
    assert not training_view(annotations).label_matrix(clips).any()
    assert read(tmp_path, background_clips="leave_out")[0].ids("train") == [A, B, C]


def test_own_background_clips_have_videos(tmp_path):
    write_ave(tmp_path)
    write_noisy(tmp_path)
    (tmp_path / "background_clips.txt").write_text("xxx\n\nyyy\n")
    annotations, report = read(tmp_path)
    assert annotations.ids("train")[3:] == ["xxx", "yyy"]
    assert annotations.database["xxx"]["file"] == "xxx"
    assert "features_only" not in annotations.database["xxx"]
    assert any("2 of the training clips are background" in note for note in report.notes)
    assert len(read(tmp_path, background_clips="features")[0].ids("train")) == 10
    (tmp_path / "background_clips.txt").write_text(f"{E}\n")
    with pytest.raises(WstalError, match=f"{E} is an annotated clip"):
        read(tmp_path)


def test_background_clips_asked_for_must_be_there(tmp_path):
    write_ave(tmp_path)
    for wanted, file in (("features", "labels_noisy"), ("videos", "background_clips.txt")):
        with pytest.raises(FilesMissing, match=file):
            read(tmp_path, background_clips=wanted)


def test_absent_and_unfitting_files_are_named(tmp_path):
    with pytest.raises(FilesMissing, match=r"Annotations\.txt"):
        read_ave([], {}, {})
    write_ave(tmp_path)
    (tmp_path / "val_order.h5").unlink()
    with pytest.raises(FilesMissing, match=r"val_order\.h5"):
        read(tmp_path)
    with h5py.File(tmp_path / "val_order.h5", "w") as file:
        file["order"] = np.array([99])
    with pytest.raises(WstalError, match="beyond the 6 rows"):
        read(tmp_path)
    (tmp_path / "val_order.h5").write_text("no")
    with pytest.raises(WstalError, match=r"val_order\.h5"):
        read(tmp_path)


def test_a_line_of_another_form_is_named(tmp_path):
    write_ave(tmp_path)
    (tmp_path / "Annotations.txt").write_text("Bark&aaaaaaaaaaa&good&0&10\nBark&bbb\n")
    with pytest.raises(WstalError, match="line 2"):
        read(tmp_path)


def test_rows_of_text_files_must_be_known(tmp_path):
    write_ave(tmp_path, orders=False)
    (tmp_path / "valSet.txt").write_text("Bark&zzzzzzzzzzz&good&0&10\n")
    with pytest.raises(WstalError, match=r"valSet\.txt has 1 rows"):
        read(tmp_path)


def test_other_categories_are_refused(tmp_path):
    files = write_ave(tmp_path)
    with pytest.raises(WstalError, match="not AVE's 2"):
        read_ave(files, {}, {"classes": ["Bark", "Flute"]})


def test_published_counts(reference, project):
    facts = yaml.safe_load((project / "workflow/reference/datasets/ave.yaml").read_text())
    files = sorted((reference / "data/annotations/ave").iterdir())
    annotations, report = read_ave(files, {}, facts)
    assert len(annotations.database) == 4143 + 178 and len(annotations.classes) == 28
    assert len({entry.get("file") for entry in annotations.database.values()}) == 4097 + 1
    sizes = {subset: len(annotations.ids(subset)) for subset in ("train", "val", "test")}
    assert sizes == {"train": 3339 + 178, "val": 402, "test": 402}
    assert counts(report)["repeated_videos"] == 4143 - 4097
    assert counts(report)["zero_length"] == 1 and counts(report)["background_clips"] == 178
    assert len(annotations.lists["ave_test804"]) == 804
    train = {annotations.database[video].get("file") for video in annotations.ids("train")}
    shared = facts["shared_with_train"]
    for subset in ("val", "test"):
        files_of = [annotations.database[video]["file"] for video in annotations.ids(subset)]
        assert sum(name in train for name in files_of) == shared[subset]
        truth = annotations.ground_truth(subset)
        share = (truth["t_end"] - truth["t_start"]).sum() / (10 * len(files_of))
        assert round(100 * share, 1) == facts["foreground_percent"][subset]


def test_labels_agree_with_the_published_ones(reference, project):
    folder = reference / "data/annotations/ave"
    annotations, _ = read_ave(sorted(folder.iterdir()), {}, {})
    with h5py.File(folder / "mil_labels.h5") as file:
        labels = file["avadataset"][:]
    database = annotations.database
    clips = [video for video, entry in database.items() if "features_only" in entry]
    ids = sorted(database.keys() - set(clips), key=lambda video: database[video]["row"])
    np.testing.assert_array_equal(annotations.label_matrix(ids), labels[:, :28])
    with h5py.File(folder / "labels_noisy.h5") as file:
        noisy = file["avadataset"][:]
    np.testing.assert_array_equal(annotations.label_matrix(clips), noisy[:, :28])
    assert noisy[:, 28].all()
