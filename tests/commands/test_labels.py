"""A first labels.csv for a folder of videos, and what the check finds in label files."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from video_clips import write_clip
from wstal.base.errors import WstalError
from wstal.commands.labels import COMMAND
from wstal.datasets.annotations import Annotations
from wstal.datasets.folder import read_folder_annotations
from wstal.datasets.label_check import find_doubtful_labels, find_shared_content, propose_labels


def labels(*words):
    """Run `wstal labels`; return its status."""
    return COMMAND.main(COMMAND.parser().parse_args([str(word) for word in words]))


@pytest.fixture
def clips(tmp_path):
    for name in ("wave/a.mp4", "wave/b.mp4", "jump/c.mov", "jump/d.mp4", "notes.txt"):
        path = tmp_path / "clips" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return tmp_path / "clips"


def test_init_takes_labels_from_folders_and_draws_a_split(clips, capsys):
    assert labels("init", clips) == 0
    found = read_folder_annotations(clips / "labels.csv")
    assert {video: each["labels"] for video, each in found.database.items()} == {
        "jump/c": ["jump"],
        "jump/d": ["jump"],
        "wave/a": ["wave"],
        "wave/b": ["wave"],
    }
    for name in ("wave", "jump"):  # both halves of each class
        subsets = [e["subset"] for v, e in found.database.items() if v.startswith(name)]
        assert sorted(subsets) == ["test", "train"]
    text = capsys.readouterr().err
    assert "4 videos, 2 for training, 2 for test" in text and "sub-folders: jump, wave" in text
    with pytest.raises(WstalError, match="labels.csv exists; check it with"):
        labels("init", clips)


def test_init_asks_for_the_labels_of_a_flat_folder(tmp_path, capsys):
    for number in range(10):
        (tmp_path / f"{number}.mp4").touch()
    labels("init", tmp_path, "--seed", 3, "--test-share", 0.2)
    text = capsys.readouterr().err
    assert "8 for training, 2 for test" in text and "Fill in the labels of 10 videos" in text
    rows = (tmp_path / "labels.csv").read_text().splitlines()
    assert rows[0] == "video,labels,split" and rows[1].startswith("0.mp4,,")
    assert labels("check", tmp_path) == 1
    assert "has no label; name at least one class" in capsys.readouterr().out


def test_a_split_is_the_same_for_the_same_seed_alone():
    names = [f"{n}.mp4" for n in range(20)]
    assert propose_labels(names, 1) == propose_labels(reversed(names), 1)
    assert propose_labels(names, 1) != propose_labels(names, 2)


def test_folders_may_be_the_split():
    rows = propose_labels(["train/wave/a.mp4", "Test/wave/b.mp4", "train/c.mp4"])
    assert [tuple(row.values()) for row in rows] == [
        ("Test/wave/b.mp4", "wave", "test"),
        ("train/c.mp4", "", "train"),
        ("train/wave/a.mp4", "wave", "train"),
    ]


def doubts(*classes):
    """The findings on classes that have enough training videos."""
    database = {
        f"{name}{n}": {"subset": "train", "labels": [name], "annotations": []}
        for name in classes
        for n in range(3)
    }
    return find_doubtful_labels(Annotations(sorted(classes), database))


@pytest.mark.parametrize(
    ("one", "other"),
    [("wave", "wawe"), ("wave", "waves"), ("jump", "jmup"), ("clap", "Clap"), ("a b", "a_b")],
)
def test_near_misses_of_a_label_are_found(one, other):
    (finding,) = doubts(one, other)
    assert one in finding and other in finding and "use one spelling" in finding


@pytest.mark.parametrize(
    ("one", "other"),
    [("kick1", "kick2"), ("run", "ran"), ("kick left", "kick right"), ("swim", "stem")],
)
def test_other_labels_are_not_near_misses(one, other):
    assert doubts(one, other) == []


def test_rare_classes_are_counted(tmp_path):
    path = tmp_path / "labels.csv"
    rows = ["a,run;hop,train", "b,run,train", "c,run,train", "d,run;swim,test"]
    path.write_text("\n".join(["video,labels,split", *rows]))
    swim, hop = find_doubtful_labels(read_folder_annotations(path))
    assert swim.startswith("No training video has the class 'swim'")
    assert "fewer than 3 training videos: hop (1). " in hop and "add videos" in hop


def test_one_recording_in_two_splits_is_found():
    prints = {
        "a": ("x", "s", 3.0),
        "b": ("x", "s", 3.0),
        "c": ("y", "s", 3.01),
        "d": ("z", "s", 9.0),
        "e": ("v", "", 3.0),
        "f": ("w", "", 3.0),
    }
    subsets = dict.fromkeys("abc", "train") | {"b": "test", "d": "test", "e": "test", "f": "train"}
    same, alike = find_shared_content(prints, subsets)
    assert same.startswith("a (train), b (test) are the same file")
    assert alike.startswith("a (train), b (test), c (train) have the same sound and length")
    assert find_shared_content(prints, dict.fromkeys("abcdef", "train")) == []


def test_check_compares_rows_with_files(tmp_path, capsys):
    rng = np.random.default_rng(0)
    sound = rng.uniform(-0.5, 0.5, (1, 32000))
    write_clip(tmp_path / "a.mp4", sound=sound)
    shutil.copy(tmp_path / "a.mp4", tmp_path / "b.mp4")
    write_clip(tmp_path / "c.mp4", sound=sound, first=7)  # other pictures
    write_clip(tmp_path / "short.mp4", count=10)
    write_clip(tmp_path / "spare.mp4", count=10)
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    rows = ["a,wave,train", "b,wave,test", "c,wave,test", "short,wave,train", "broken,wave,train"]
    (tmp_path / "labels.csv").write_text("\n".join(["video,labels,split", *rows, "gone,wave,test"]))
    assert labels("check", tmp_path) == 0
    text = capsys.readouterr().out
    assert "| wave | 3 | 0 | 3 | 0 |" in text and "| all videos | 3 | 0 | 3 | 0 |" in text
    assert "warning: 1 of 6 rows have no video file (gone: no video file of this name" in text
    assert "warning: 1 videos have no row and are not used: spare.mp4. Add rows" in text
    assert "warning: broken is left out of a run" in text
    assert "shorter than a row of features, 0.64 s, and are left out: short (0.40 s)" in text
    assert "warning: a (train), b (test) are the same file" in text
    assert "a (train), b (test), c (test) have the same sound and length" in text
