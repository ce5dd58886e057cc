"""Labels of own videos, as CSV files and as JSON in ActivityNet's format."""

from __future__ import annotations

import json
import sys

import pytest
import warm_python
from wstal.base.errors import WstalError
from wstal.config.dataset_files import (
    annotation_files,
    own_lists,
    sound_annotation_files,
    video_files,
    video_listing,
)
from wstal.datasets.annotations import read_annotations, training_view, videos_view
from wstal.datasets.folder import (
    read_csv_names,
    read_folder_annotations,
    read_own_database,
    read_own_labels,
    read_video_names,
    video_id,
)
from wstal.datasets.kinds import read_dataset
from wstal.datasets.label_check import find_doubtful_labels

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
    assert read_csv_names(labels) == {"a": "a.mp4", "sub/b": "sub/b", "c.x": "c.x"}
    assert read_csv_names(tmp_path / "none") == {}


def test_videos_and_labels_are_listed_without_looking_at_segments(labels, project, tmp_path):
    segments = tmp_path / "segments.csv"
    segments.write_text("video,t_start,t_end,label\na,1.5,2,run\n")
    command = [sys.executable, project / "scripts/list_videos.py", "--dataset", "mine"]
    command += ["--settings", '{"kind": "folder"}', "--files", labels]
    outputs = {name: tmp_path / f"{name}.json" for name in ("videos", "training")}
    given = [part for name, path in outputs.items() for part in (f"--{name}", path)]
    warm_python.run([*command, *given], check=True)
    whole = read_folder_annotations(labels, segments)
    assert read_annotations(outputs["training"]) == training_view(whole)
    assert read_annotations(outputs["videos"]) == videos_view(whole)
    assert "run" not in outputs["videos"].read_text()


def test_possible_slips_are_reported(labels, tmp_path):
    (few,) = find_doubtful_labels(read_folder_annotations(labels))
    assert "fewer than 3 training videos: jump (1), run (1)." in few
    labels.write_text("video,labels,split\na,Long Jump,train\nb,long_jump;swim,test\nc,,test\n")
    segments = tmp_path / "segments.csv"
    segments.write_text("video,t_start,t_end,label\n" + "c,1,2,swim\nc,3,4,swim\nb,1,2,swim\n")
    alike, jump, swim, _, unlisted = find_doubtful_labels(read_folder_annotations(labels, segments))
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
    assert read_csv_names(path) == {"a": "a", "c": "c"}


def test_case_does_not_count_in_headers_and_splits(tmp_path):
    labels, segments = tmp_path / "labels.csv", tmp_path / "segments.csv"
    labels.write_text("Video;LABELS;Split;Annotated\na;Run;Train;\nb;Run;TEST;no\nc;Run;Val;\n")
    segments.write_text("sep=;\nVIDEO;T_start;t_End;Label\na;1,5;2;Run\n")
    found = read_folder_annotations(labels, segments)
    assert [entry["subset"] for entry in found.database.values()] == ["train", "test", "val"]
    assert found.database["a"]["annotations"] == [{"segment": [1.5, 2.0], "label": "Run"}]
    assert found.database["b"]["annotated"] is False and found.classes == ["Run"]
    assert read_csv_names(labels) == {"a": "a", "b": "b", "c": "c"}
    segments.write_text("Video,T_Start,T_End,Label\n")  # nothing marked yet
    assert not read_folder_annotations(labels, segments).has_segments("train")
    labels.write_text("Video,video,labels,split\na,b,run,train\n")
    with pytest.raises(WstalError, match=r"column 'video' is repeated \(\['Video', 'video'\]\)"):
        read_folder_annotations(labels)


def test_all_mistakes_are_named_at_once(tmp_path):
    labels, segments = tmp_path / "labels.csv", tmp_path / "segments.csv"
    rows = "".join(f"v{n},,train\n" for n in range(8))
    labels.write_text(f"video,labels,split\n{rows}x,run,training\ny,run,test\n")
    segments.write_text("video,t_start,t_end,label\ny,3,1,run\nx,1,2,run\n")
    with pytest.raises(WstalError) as caught:
        read_folder_annotations(labels, segments)
    lines = str(caught.value).splitlines()
    for number, line in enumerate(lines[:5], start=2):
        assert line.startswith(f"{labels}, line {number}: training video 'v{number - 2}' has no")
    assert lines[5] == "and 3 more of this kind"
    assert lines[6].startswith(f"{labels}, line 10: split 'training'")
    assert lines[7].startswith(f"{segments}, line 2: the segment: 3 to 1 s") and len(lines) == 8


def test_rows_that_were_not_read_are_no_mistakes(tmp_path):
    labels, segments = tmp_path / "labels.csv", tmp_path / "segments.csv"
    labels.write_text("video,labels,split\na,run,train\nb,run,jump,test\nc,run,test\n")
    segments.write_text("video,t_start,t_end,label\nc,1,2,jump\n")
    with pytest.raises(WstalError) as caught:
        read_folder_annotations(labels, segments)
    (line,) = str(caught.value).splitlines()
    assert "line 3: there are more cells" in line and "not checked yet" in line


def test_times_have_decimal_commas_where_cells_have_semicolons(labels, tmp_path):
    segments = tmp_path / "segments.csv"
    segments.write_text("video;t_start;t_end;label\nsub/b;1,5;2;run\n")
    found = read_folder_annotations(labels, segments)
    assert found.database["sub/b"]["annotations"] == [{"segment": [1.5, 2.0], "label": "run"}]
    segments.write_text('video,t_start,t_end,label\nsub/b,"1,500",2000,run\n')  # or a thousand?
    with pytest.raises(WstalError, match="line 2: t_start is '1,500'; expected seconds"):
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
            "video,labels,split,annotated\na,run,train,maybe\n",
            "line 2: annotated is 'maybe'; write",
        ),
        (
            "video,labels,split\na,run,jump,train\n",
            "line 2: .*'train' is in none; join labels",
        ),
        ('video,labels,split\na,"run' + "x" * 140_000, "line 2: .*is a double quote left open"),
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
        ("a,2,2,run", "the segment: 2 to 2 s is empty or inverted"),
        ("a,-1,2,run", "t_start is '-1'; expected seconds from 0"),
        ("a,1,nan,run", "t_end is 'nan'; expected seconds"),
        ("a,1,two,run", "t_end is 'two'; expected seconds"),
        ("a,1,1e308,run", "t_end is '1e308'; expected seconds from 0 to 1,000,000"),
        ("a,1,1_0,run", "t_end is '1_0'"),
        ("a,1,,run", "t_end is ''; expected seconds"),
        ("a,1,2,swim", "no video has the label 'swim'"),
    ],
)
def test_bad_segments_are_refused(labels, tmp_path, row, message):
    segments = tmp_path / "segments.csv"
    segments.write_text(f"video,t_start,t_end,label\n{row}\n")
    with pytest.raises(WstalError, match=f"line 2: .*{message}"):
        read_folder_annotations(labels, segments)


def test_a_repeated_segment_names_both_lines(labels, tmp_path):
    segments = tmp_path / "segments.csv"
    segments.write_text("video,t_start,t_end,label\na,1,2,run\na,3,4,run\na.mp4,1.0,2,run\n")
    with pytest.raises(WstalError, match=r"segments\.csv, line 4: the same segment is in line 2"):
        read_folder_annotations(labels, segments)


def unknown(annotations, key):
    """The videos that an annotation database marks as not `key`."""
    return [video for video, entry in annotations.database.items() if entry.get(key) is False]


STATES = """video,labels,split,annotated
train,run,train,
marked,run,test,
empty,run,test,
nothing,background,test,
unmarked,run,test,
unnamed,,test,
half,run,test,no
stated,run,test,Yes
"""


def test_a_test_video_is_annotated_annotated_as_empty_or_not_annotated(tmp_path):
    labels, segments = tmp_path / "labels.csv", tmp_path / "segments.csv"
    labels.write_text(STATES)
    segments.write_text(
        "video,t_start,t_end,label\nmarked,1,2,run\nempty,,,\nhalf,1,2,run\ntrain,1,2,run\n"
    )
    found, _ = read_own_labels(labels, segments)
    assert unknown(found, "annotated") == ["unmarked", "unnamed", "half"]
    assert unknown(found, "labelled") == ["unnamed"]
    notes = "\n".join(find_doubtful_labels(found))
    assert "Videos without annotated segments: unmarked, unnamed, half. " in notes
    assert "list them in segments.csv as `video,,,`" in notes
    assert "Videos without labels: unnamed. video_mAP leaves them out" in notes
    assert "annotated as without segments: empty, stated. " in notes
    assert "annotated" not in json.dumps(videos_view(found).as_json())


def test_a_database_states_the_same(write):
    found, _ = read_own_database(
        write(
            {
                "train": video("training", labels=["run"]),
                "marked": video("testing", (1, 2, "run")),
                "empty": video("testing", labels=["run"], annotated=True),
                "nothing": video("testing", labels=["background"]),
                "unmarked": video("testing", labels=["run"]),
                "unnamed": video("testing"),
                "half": video("testing", (1, 2, "run"), annotated=False),
            }
        )
    )
    assert unknown(found, "annotated") == ["unmarked", "unnamed", "half"]
    assert unknown(found, "labelled") == ["unnamed"]


@pytest.mark.parametrize("rows", ["a,1,2,run\na.mp4,,,", "a,,,\na,1,2,run", "a,,,\na,,,"])
def test_a_video_has_segments_or_a_row_without_any(labels, tmp_path, rows):
    segments = tmp_path / "segments.csv"
    segments.write_text(f"video,t_start,t_end,label\n{rows}\n")
    with pytest.raises(WstalError, match=r"line 3: a row without times says .* but line 2 is"):
        read_folder_annotations(labels, segments)


def test_missing_file_says_what_it_should_be(tmp_path):
    with pytest.raises(WstalError, match="CSV file with the columns video,labels,split"):
        read_folder_annotations(tmp_path / "labels.csv")


def test_another_encoding_says_how_to_save_it(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_bytes("video,labels,split\nKöln,run,train\n".encode("latin-1"))
    with pytest.raises(WstalError, match="line 2: not UTF-8 .* save it as UTF-8"):
        read_folder_annotations(path)
    assert read_csv_names(path) == {}


def video(subset, *annotations, **more):
    items = [{"segment": list(times), "label": label} for *times, label in annotations]
    return {"subset": subset, "duration": 9.5, "annotations": items, **more}


DATABASE = {
    "a.mp4": video("training", (1, 2.5, "run"), (4, 5, "jump"), (6, 7, "run"), fps=30),
    "b": video("Training", labels=["jump"]),
    "c": video("validation", (0, 3, "run")),
    "sub/d": video("testing", (1, 2, "jump")),
}


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "mine.json"

    def written(database=DATABASE, **more):
        path.write_text(json.dumps({"version": "1", "database": database, **more}))
        return path

    return written


def test_it_is_the_database_that_two_csv_files_give(write, tmp_path):
    (tmp_path / "labels.csv").write_text(
        "video,labels,split\na,jump;run,train\nb,jump,train\nc,run,val\nsub/d,jump,test\n"
    )
    (tmp_path / "segments.csv").write_text(
        "video,t_start,t_end,label\na,1,2.5,run\na,4,5,jump\na,6,7,run\nc,0,3,run\nsub/d,1,2,jump\n"
    )
    files = tmp_path / "labels.csv", tmp_path / "segments.csv"
    found, notes = read_own_database(write())
    same = {v: entry | {"duration": None} for v, entry in found.database.items()}
    assert same == read_folder_annotations(*files).database and not notes
    assert {entry["duration"] for entry in found.database.values()} == {9.5}
    assert found.classes == ["jump", "run"]
    ids = ["a", "b", "c", "sub/d"]
    assert list(read_video_names(tmp_path / "mine.json")) == list(read_video_names(files[0])) == ids
    assert read_own_labels(*files) == (read_folder_annotations(*files), [])


def test_a_label_needs_no_times_and_background_stands_for_no_class(write):
    weak = {
        "a": {"subset": "train", "annotations": [{"label": "run"}]},
        "b": {"subset": "train", "labels": ["background"]},
        "c": {"subset": "test", "labels": ["run"]},
    }
    found, _ = read_own_database(write(weak))
    assert [entry["labels"] for entry in found.database.values()] == [["run"], [], ["run"]]
    assert not found.has_segments("test") and found.database["a"]["duration"] is None


@pytest.mark.parametrize(
    ("subsets", "expected", "note"),
    [
        ("training validation", "train test", "no test video: validation is tested"),
        ("validation test", "train test", "no training video: validation trains"),
        ("train val test", "train val test", None),
    ],
)
def test_validation_trains_or_is_tested_where_nothing_else_does(write, subsets, expected, note):
    database = {f"v{n}": video(word, (1, 2, "run")) for n, word in enumerate(subsets.split())}
    found, notes = read_own_database(write(database))
    assert [entry["subset"] for entry in found.database.values()] == expected.split()
    assert notes == [] if note is None else note in notes[0]


def test_withheld_test_labels_leave_the_videos_out(write):
    held = {"a": video("training", (1, 2, "run")), "b": video("validation", (1, 2, "run"))}
    found, notes = read_own_database(write(held | {"x": video("testing"), "y": video("testing")}))
    assert {v: entry["subset"] for v, entry in found.database.items()} == {
        "a": "train",
        "b": "test",
    }
    assert "2 test videos have no label" in notes[0] and "x, y" in notes[0]


@pytest.mark.parametrize(
    ("database", "message"),
    [
        ({"a": video("trian", (1, 2, "x"))}, "video a: subset 'trian' is not one of training"),
        ({"a": video("train")}, "video a: .* no label; .*background"),
        ({"a": video("train", (2, 2, "x"))}, r"video a: .*segment: 2 to 2 s is empty or inverted"),
        ({"a": video("train", (-1, 2, "x"))}, "video a: .*segment is -1; expected seconds from 0"),
        ({"a": video("train", (1, 2, "x"), (1, 2, "x"))}, r"annotations\[1\]: .* is repeated"),
        ({"a": video("train", (1, None, "x"))}, "video a: .*segment is None; expected seconds"),
        ({"a": {"subset": "train", "annotations": [{"segment": [1, 2]}]}}, "video a: .*'label'"),
        ({"a": video("train", (1, 2, "x")), "a.mp4": video("test")}, "'a' is listed twice"),
        ({"a": video("train", (1, 2, "x"), labels=["background"])}, "video a: background stands"),
        ({"a": video("train", (1, 2, "x"))}, "no video is left to test"),
        ({"a": video("test", (1, 2, "x"))}, "no video is left to train"),
        *(
            (
                {"a": video("train", (1, 2, "x")) | {"duration": value}},
                f"video a: duration is {text}",
            )
            for value, text in [(float("nan"), "nan"), (-5, "-5"), (1e308, "1e"), (True, "True")]
            + [(0, "0; give seconds"), ([9], r"\[9\]"), ("inf", "'inf'"), ("9 s", "'9 s'")]
        ),
        *(
            ({"a": video("train", labels=value)}, f"video a: labels{text}")
            for value, text in [("run", r" is 'run'; expected a list of names: \[\"run\"\]")]
            + [([""], r"\[0\] is ''"), (["x", " "], r"\[1\] is ' '"), ([True], r"\[0\] is True")]
            + [({"run": 1}, " is {'run': 1}"), ("", " is ''"), ([["x"]], r"\[0\] is \['x'\]")]
        ),
        *(
            ({"a": {"subset": "train", "annotations": value}}, f"video a: annotations{text}")
            for value, text in [("run", " is 'run'"), ({"x": 1}, " is"), ([3], r"\[0\] is 3")]
            + [([{"segment": "12", "label": "x"}], r"\[0\]: segment is '12'; expected two times")]
            + [([{"segment": [1, 2, 3], "label": "x"}], r"\[0\]: segment is \[1, 2, 3\]")]
            + [([{"segment": [1, 2], "label": ""}], r"\[0\]: its 'label' is ''")]
        ),
        (
            {"a": video("test", annotated="no")},
            "video a: annotated is 'no'; expected true or false",
        ),
        ([], "ActivityNet's format"),
        ({"a": 3}, "video a is 3; expected an object"),
        ({}, "no video"),
    ],
)
def test_mistakes_name_file_video_and_remedy(write, database, message):
    path = write(database)
    with pytest.raises(WstalError, match=message) as caught:
        read_own_database(path)
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_json_is_refused_and_has_no_ids(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text("video,labels")
    with pytest.raises(WstalError, match=r"mine.json is not JSON"):
        read_own_database(path)
    assert read_video_names(path) == read_video_names(tmp_path / "none.json") == {}


def dataset(**keys):
    return {
        "kind": "folder",
        "videos": "clips",
        "labels": "mine.json",
        "segments": None,
        "shards": 2,
    } | keys


def test_one_file_holds_labels_and_segments(write, tmp_path):
    write()
    assert annotation_files("mine", dataset()) == video_files("mine", dataset()) == ["mine.json"]
    (tmp_path / "seg.csv").write_text("video,t_start,t_end,label\n")
    with pytest.raises(WstalError, match=r"mine: `segments:` names seg.csv, .* mine.json"):
        annotation_files("mine", dataset(segments="seg.csv"))
    annotations, report = read_dataset("mine", {"kind": "folder"}, [tmp_path / "mine.json"])
    assert annotations == read_own_database(tmp_path / "mine.json")[0] and report.files
    write({"a": video("train", (2, 1, "x"))})
    with pytest.raises(WstalError, match="video a: .*segment"):
        sound_annotation_files("mine", dataset())


def test_a_corrected_segment_changes_no_list_but_a_corrected_label_does(write):
    write()
    first = own_lists("mine", dataset())
    shards = video_listing("mine", dataset(), str)
    write({**DATABASE, "a.mp4": video("training", (1, 2, "run"), (4, 5, "jump"))})
    assert own_lists("mine", dataset()) == first and video_listing("mine", dataset(), str) == shards
    write({**DATABASE, "b": video("training", labels=["run"])})
    assert own_lists("mine", dataset()) != first
    write({**DATABASE, "e": video("training", (1, 2, "run"))})
    assert video_listing("mine", dataset(), str) != shards


def test_no_time_reaches_training(write):
    found, _ = read_own_database(write())
    for view in (training_view(found), videos_view(found)):
        assert not any(entry["annotations"] for entry in view.database.values())
