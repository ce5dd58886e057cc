import subprocess
import sys

import pytest
from wstal.data.annotations import read_annotations, training_view, videos_view
from wstal.data.folder import doubts, named_files, read_folder_annotations, video_id
from wstal.errors import WstalError

LABELS = "video,labels,split\na.mp4,run;jump,train\nsub/b,run,test\nc.x,jump,val\n"


@pytest.fixture
def labels(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("\ufeff" + LABELS, encoding="utf-8")
    return path


def test_labels_and_segments_become_the_database(labels, tmp_path):
    segments = tmp_path / "segments.csv"
    segments.write_text("video,t_start,t_end,label\nsub/b.mkv,1.5,2,run\n")
    found = read_folder_annotations(labels, segments)
    assert found.classes == ["jump", "run"]
    assert found.database["a"] == {
        "subset": "train",
        "duration": None,
        "labels": ["jump", "run"],
        "annotations": [],
    }
    assert found.ground_truth("test").values.tolist() == [["sub/b", 1.5, 2.0, "run"]]
    assert named_files(labels) == {"a": "a.mp4", "sub/b": "sub/b", "c.x": "c.x"}
    assert named_files(tmp_path / "none") == {}


def test_videos_and_labels_are_listed_without_looking_at_segments(labels, project, tmp_path):
    segments = tmp_path / "segments.csv"
    segments.write_text("video,t_start,t_end,label\na,1.5,2,run\n")
    command = [sys.executable, project / "scripts/list_videos.py", "--dataset", "mine"]
    command += ["--settings", '{"kind": "folder"}', "--files", labels]
    outputs = {name: tmp_path / f"{name}.json" for name in ("videos", "training")}
    given = [part for name, path in outputs.items() for part in (f"--{name}", path)]
    subprocess.run([*command, *given], check=True)
    whole = read_folder_annotations(labels, segments)
    assert read_annotations(outputs["training"]) == training_view(whole)
    assert read_annotations(outputs["videos"]) == videos_view(whole)
    assert "run" not in outputs["videos"].read_text()


def test_what_may_be_a_slip_is_told(labels, tmp_path):
    assert doubts(read_folder_annotations(labels)) == []
    labels.write_text("video,labels,split\na,Long Jump,train\nb,long_jump;swim,test\nc,,test\n")
    segments = tmp_path / "segments.csv"
    segments.write_text("video,t_start,t_end,label\n" + "c,1,2,swim\n" * 2 + "b,1,2,swim\n")
    alike, jump, swim, unlisted = doubts(read_folder_annotations(labels, segments))
    assert alike.startswith("Long Jump, long_jump are 2 classes")
    assert "'long_jump'" in jump and "No training video has the class 'swim'" in swim
    assert unlisted.startswith("Classes that segments give") and "not: c 'swim'. " in unlisted


EXPORTED = {
    "semicolons": 'video;labels;split\na;"run;jump";train\nc;run;test\n',
    "tabs": "video\tlabels\tsplit\na\trun;jump\ttrain\nc\trun\ttest\n",
    "spaces": 'video, labels, split\na, "run;jump", train\nc, run, test\n',
    "old line ends": "video,labels,split\ra,run;jump,train\rc,run,test\r",
    "empty rows and cells": "video,labels,split\na,run;jump,train,\n,,\nc,run,test\n  \n,,,,\n",
}


@pytest.mark.parametrize("text", EXPORTED.values(), ids=EXPORTED)
def test_files_are_read_as_spreadsheets_write_them(tmp_path, text):
    path = tmp_path / "labels.csv"
    path.write_bytes(text.encode("utf-8-sig"))
    found = read_folder_annotations(path).database
    assert {video: each["labels"] for video, each in found.items()} == {
        "a": ["jump", "run"],
        "c": ["run"],
    }
    assert named_files(path) == {"a": "a", "c": "c"}


def test_times_have_decimal_commas_where_cells_have_semicolons(labels, tmp_path):
    segments = tmp_path / "segments.csv"
    segments.write_text("video;t_start;t_end;label\nsub/b;1,5;2;run\n")
    found = read_folder_annotations(labels, segments)
    assert found.database["sub/b"]["annotations"] == [{"segment": [1.5, 2.0], "label": "run"}]
    segments.write_text('video,t_start,t_end,label\nsub/b,"1,500",2000,run\n')  # or a thousand?
    with pytest.raises(WstalError, match="line 2: could not convert string to float: '1,500'"):
        read_folder_annotations(labels, segments)


def test_one_spelling_of_an_accent(tmp_path):
    labels, segments = tmp_path / "labels.csv", tmp_path / "segments.csv"
    labels.write_text("video,labels,split\ne\u0301te\u0301,cafe\u0301,train\nb,caf\u00e9,test\n")
    segments.write_text("video,t_start,t_end,label\n\u00e9t\u00e9,1,2,caf\u00e9\n")
    found = read_folder_annotations(labels, segments)
    assert found.classes == ["caf\u00e9"] and list(found.database) == ["\u00e9t\u00e9", "b"]


def test_only_video_extensions_are_cut():
    assert video_id("clip.final.MP4") == "clip.final" and video_id("v1.2") == "v1.2"


def test_background_stands_for_no_class(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("video,labels,split\na,run,train\nb,background,train\nc,run,test\n")
    found = read_folder_annotations(path)
    assert found.classes == ["run"]
    assert found.database["b"]["labels"] == [] and found.database["b"]["subset"] == "train"
    assert found.label_matrix(["a", "b"]).tolist() == [[1], [0]]
    path.write_text("video,labels,split\na,run;background,train\nc,run,test\n")
    with pytest.raises(WstalError, match=r"labels.csv, line 2: background stands for no class"):
        read_folder_annotations(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("video,label,split\n", r"columns \['labels'\] are missing"),
        ("video,labels,split\na,run,training\n", "line 2: split 'training' is not one of"),
        ("video,labels,split\na,run,train\na.mp4,run,train\n", "line 3: 'a' is listed twice"),
        ("video,labels,split\na,,train\n", "training video 'a' has no label"),
        ("video,labels,split\na,run,test\n", "no row has the split train"),
        ("video,labels,split\n,run,train\n", "line 2: the video is not named"),
        ("video,labels,split\na,run,train\n", "no row has the split test"),
        (
            "video,labels,split\na,run,jump,train\n",
            "line 2: .*'train' is in none; labels are joined",
        ),
        ('video,labels,split\na,"run' + "x" * 140_000, "line 1: .*is a double quote left open"),
    ],
)
def test_bad_labels_name_file_line_and_remedy(tmp_path, text, message):
    path = tmp_path / "labels.csv"
    path.write_text(text)
    with pytest.raises(WstalError, match=message) as caught:
        read_folder_annotations(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("zz,1,2,run", "video 'zz' has no row"),
        ("a,2,2,run", "empty, inverted or negative"),
        ("a,-1,2,run", "empty, inverted or negative"),
        ("a,1,nan,run", "empty, inverted or negative"),
        ("a,1,two,run", "could not convert"),
        ("a,1,2,swim", "label 'swim' is carried by no video"),
    ],
)
def test_bad_segments_are_refused(labels, tmp_path, row, message):
    segments = tmp_path / "segments.csv"
    segments.write_text(f"video,t_start,t_end,label\n{row}\n")
    with pytest.raises(WstalError, match=f"line 2: .*{message}"):
        read_folder_annotations(labels, segments)


def test_missing_file_says_what_it_should_be(tmp_path):
    with pytest.raises(WstalError, match="CSV file with the columns video,labels,split"):
        read_folder_annotations(tmp_path / "labels.csv")


def test_another_encoding_says_how_to_save_it(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_bytes("video,labels,split\nKöln,run,train\n".encode("latin-1"))
    with pytest.raises(WstalError, match="is not UTF-8 .* save it as CSV UTF-8"):
        read_folder_annotations(path)
    assert len(named_files(path)) == 1
