"""A first labels.csv for a folder of videos, and what the check finds in label files."""

from __future__ import annotations

import json
import shlex
import shutil
import sys

import av
import numpy as np
import pytest
import warm_python
from video_clips import write_clip
from wstal.base.errors import WstalError
from wstal.commands.labels import COMMAND
from wstal.datasets.annotations import Annotations
from wstal.datasets.folder import read_folder_annotations
from wstal.datasets.label_check import find_doubtful_labels, find_shared_content, propose_labels
from wstal.media import recording


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
    lines = capsys.readouterr().out.splitlines()
    errors = [line for line in lines if line.startswith("ERROR")]
    assert len(errors) == 6 and errors[-1] == "ERROR: and 3 more of this kind"
    for line in errors[:-1]:
        assert "labels.csv, line " in line and "has no label; name at least one class" in line
    assert "| all videos | 8 | 0 | 2 | 0 |" in lines
    assert any("0 is left out of a run" in line for line in lines)  # the empty files, too


def test_printed_commands_can_be_pasted(tmp_path, capsys):
    folder, other = tmp_path / "Meine Vidéos 日本", tmp_path / "it's.csv"
    folder.mkdir()
    (folder / "a.mp4").touch()
    labels("init", folder, "--labels", other)
    command = capsys.readouterr().err.splitlines()[-1].removeprefix("Then: ")
    words = ["wstal", "labels", "check", str(folder), "--labels", str(other)]
    assert shlex.split(command) == words
    with pytest.raises(WstalError) as caught:
        labels("init", folder, "--labels", other)
    assert command in str(caught.value)


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
    assert "shorter than a row of features, 0.64 s. A run uses them with one row" in text
    assert "the last picture is repeated: short (0.40 s)" in text
    assert "warning: a (train), b (test) are the same file" in text
    assert "a (train), b (test), c (test) have the same sound and length" in text


def write_rows(path, *rows):
    heads = {"labels.csv": "video,labels,split", "segments.csv": "video,t_start,t_end,label"}
    path.write_text("\n".join([heads[path.name], *rows]) + "\n")


def test_check_lists_every_mistake_of_both_files(tmp_path, capsys):
    write_clip(tmp_path / "a.mp4", count=30)
    write_rows(tmp_path / "labels.csv", "a,run,train", "b,,train", "c,run,tset", "d,run,test")
    rows = ["a,1,2,run", "a,2,2,run", "zz,1,2,run", "c,1,x,run", "c,1,2,swim", "a,1,2,run"]
    write_rows(tmp_path / "segments.csv", *rows)
    assert labels("check", tmp_path) == 1
    text = capsys.readouterr().out
    for where, problem in [
        ("labels.csv, line 3", "training video 'b' has no label; name at least one class"),
        ("labels.csv, line 4", "split 'tset' is not one of train, val, test; write one"),
        ("segments.csv, line 3", "the segment: 2 to 2 s is empty or inverted; correct it"),
        ("segments.csv, line 4", "video 'zz' has no row in the labels file; add one"),
        ("segments.csv, line 5", "t_end is 'x'; expected seconds"),
        ("segments.csv, line 6", "no video has the label 'swim'; correct it"),
        ("segments.csv, line 7", "the same segment is in line 2; keep one"),
    ]:
        assert f"ERROR: {tmp_path / where}: {problem}" in text
    assert text.count("ERROR: ") == 7
    assert "| all videos | 2 | 0 | 1 | 1 |" in text
    assert "3 of 4 rows have no video file" in text


def test_check_of_labels_that_cannot_be_read_says_that_alone(tmp_path, capsys):
    (tmp_path / "a.mp4").touch()
    (tmp_path / "labels.csv").write_text("video,label,split\na,run,train\n")
    assert labels("check", tmp_path) == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("ERROR: ") and "columns ['labels'] are missing" in line


def test_check_of_a_json_lists_every_mistake(tmp_path, capsys):
    entry = {"annotations": [{"segment": [3, 1], "label": "run"}]}
    database = {"a": {"subset": "trian"}, "b": entry | {"subset": "test"}, "c": {"subset": "train"}}
    (tmp_path / "mine.json").write_text(json.dumps({"database": database}))
    assert labels("check", tmp_path, "--labels", tmp_path / "mine.json") == 1
    text = capsys.readouterr().out
    assert "video a: subset 'trian' is not one of" in text
    assert "video b: annotations[0]: segment: 3 to 1 s is empty" in text
    assert "video c: this training video has no label" in text and text.count("ERROR") == 3


@pytest.fixture
def recordings(tmp_path):
    """Two clips of 2 s and 4 s, a sound without pictures, and what cannot be opened."""
    write_clip(tmp_path / "a.mp4", count=50)
    write_clip(tmp_path / "b.mp4", count=100)
    with av.open(str(tmp_path / "voice.mp4"), "w") as file:
        stream = file.add_stream("aac", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.float32), "fltp", "mono")
        frame.sample_rate = 16000
        file.mux(stream.encode(frame))
        file.mux(stream.encode())
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    return tmp_path


def test_check_finds_segments_that_are_not_in_their_video(recordings, capsys):
    write_rows(recordings / "labels.csv", "a,run,train", "b,run,test", "broken,run,test")
    rows = ["a,0,2.05,run", "b,1,500,run", "b,60,70,run", "broken,60,70,run"]
    write_rows(recordings / "segments.csv", *rows)
    assert labels("check", recordings) == 0
    text = capsys.readouterr().out
    where = recordings / "segments.csv"
    late = f"{where}, line 3: the segment 1 to 500 s ends after its video 'b' (4.00 s). Correct"
    behind = f"{where}, line 4: the segment 60 to 70 s lies behind the end of its video 'b' (4.00"
    assert late in text and behind in text and text.count(f"{where}, line") == 2


def test_a_file_without_pictures_cannot_be_used_and_counts_for_no_class(recordings, capsys):
    rows = ["a,run,train", "voice,run;sing,train", "broken,run,train", "b,run,test"]
    write_rows(recordings / "labels.csv", *rows)
    assert labels("check", recordings) == 0
    text = capsys.readouterr().out
    assert "voice is left out of a run" in text
    assert "voice.mp4: has no video stream). Replace the file, or remove its row." in text
    assert "fewer than 3 training videos that can be read: run (1). " in text
    assert "No training video of the class 'sing' can be read (1)" in text


def test_only_files_that_may_be_one_recording_are_read(recordings, monkeypatch):
    files = {name: recordings / f"{name}.mp4" for name in "ab"}
    read = []
    monkeypatch.setattr(recording, "file_sha256", lambda path: read.append(path) or "x")
    seconds, subsets = {"a": 2.0, "b": 4.0}, {"a": "train", "b": "test"}
    prints = recording.recording_prints(files, seconds, subsets)
    assert prints == {"a": ("", "", 2.0), "b": ("", "", 4.0)} and not read
    shutil.copy(files["a"], files["b"])
    recording.recording_prints(files, seconds, subsets)
    assert read == list(files.values())


def test_the_first_jobs_of_a_run_report_the_same_of_the_files(recordings, project, capsys):
    shutil.copy(recordings / "a.mp4", recordings / "copy.mp4")
    rows = ["a,run,train", "copy,run,test", "broken,run,test", "gone,run,test"]
    write_rows(recordings / "labels.csv", *rows)
    write_rows(recordings / "segments.csv", "copy,60,70,run")
    labels("check", recordings)
    printed = capsys.readouterr().out.splitlines()
    found = [line.removeprefix("warning: ") for line in printed if line.startswith("warning")]
    outputs = {"output": recordings / "annotations.json", "report": recordings / "report.md"}
    command = [project / "scripts/annotate.py", "--dataset", "mine", "--videos", recordings]
    command += ["--settings", '{"kind": "folder"}', "--files"]
    command += [recordings / "labels.csv", recordings / "segments.csv"]
    command += [part for name, path in outputs.items() for part in (f"--{name}", path)]
    warm_python.run([sys.executable, *command], check=True)
    report = outputs["report"].read_text()
    for words in ("same file", "broken is left", "no video file", "lies behind", "have no row"):
        (line,) = [line for line in found if words in line]
        assert f"- {line}" in report
