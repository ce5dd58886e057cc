"""From a run to videos worth annotating, and from a tool back into segments.csv."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from scored_runs import write_scored_runs
from wstal.base.errors import WstalError
from wstal.commands import convert, suggest
from wstal.datasets.folder import read_folder_annotations


def call(command, *words):
    program = command.COMMAND
    return program.main(program.parser().parse_args([str(word) for word in words]))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return write_scored_runs(tmp_path_factory.mktemp("runs"), seeds=2)


def test_only_videos_that_nobody_annotated_are_suggested(dataset, tmp_path, capsys):
    call(
        suggest, dataset / "cavf", "--output", tmp_path / "check.csv", "--table", tmp_path / "v.csv"
    )
    text = capsys.readouterr().out
    assert "annotate next (2 of 2 candidates):" in text and "check first (" in text
    videos = pd.read_csv(tmp_path / "v.csv").set_index("video")
    assert videos["state"].to_dict() == {"v12": "not labelled", "v13": "not annotated"}
    assert videos["uncertainty"].between(0, 1).all() and sorted(videos["rank"]) == [1, 2]
    check = pd.read_csv(tmp_path / "check.csv")
    assert list(check.columns) == ["video", "t_start", "t_end", "label", "score"]
    assert set(check["video"]) == {"v12", "v13"} and check["score"].between(0, 1).all()
    call(suggest, dataset / "cavf", "--min-score", 2, "--output", tmp_path / "best.csv")
    assert len(pd.read_csv(tmp_path / "best.csv")) == 2  # one of each video, at least
    call(suggest, dataset / "cavf", "--videos", 1)
    assert "annotate next (1 of 2 candidates):" in capsys.readouterr().out


def test_the_calibrated_probability_is_taken_where_there_is_one(dataset, tmp_path, capsys):
    seed = dataset / "i3d/co2net/seed0"
    (seed / "calibration.json").write_text(json.dumps({"proposals": "x"}))
    with pytest.raises(WstalError, match="was fitted on other detections"):
        call(suggest, seed)
    (seed / "calibration.json").unlink()
    for option in ("--output", "--table"):
        with pytest.raises(WstalError, match=f"{option} .*co2net_map.csv is an input"):
            call(suggest, dataset / "co2net_map.csv", option, dataset / "i3d/../co2net_map.csv")
        with pytest.raises(WstalError, match=f"{option} .*proposals.json is an input"):
            call(suggest, dataset / "co2net", option, seed / "proposals.json")
    with pytest.raises(WstalError, match="--videos is 0"):
        call(suggest, seed, "--videos", 0)


def test_nothing_is_suggested_where_everything_is_annotated(dataset, tmp_path, capsys):
    folder = write_scored_runs(tmp_path)
    path = folder / "annotations.json"
    content = json.loads(path.read_text())
    for entry in content["database"].values():
        entry |= {"annotated": True, "labelled": True}
    path.write_text(json.dumps(content))
    call(suggest, folder / "co2net")
    assert "there is nothing to suggest" in capsys.readouterr().err


def test_corrected_segments_come_back_beside_the_others(tmp_path, capsys):
    clips = tmp_path / "clips"
    clips.mkdir()
    labels = "video,labels,split,annotated\na.mp4,wave,train,\nb.mp4,clap,test,\nc.mp4,,test,\n"
    (clips / "labels.csv").write_text(labels)
    (clips / "segments.csv").write_text("video,t_start,t_end,label\nb,1,2,clap\n")
    (tmp_path / "check.csv").write_text("video,t_start,t_end,label,score\nc,0.5,2,wave,0.4\n")
    tasks = tmp_path / "tasks_label_studio.json"
    call(convert, tmp_path / "check.csv", tasks, "--fps", 25)
    (task,) = json.loads(tasks.read_text())
    found = task["predictions"][0]["result"]  # a person corrects the end, and submits it
    found[0]["value"]["ranges"][0]["end"] = 75
    task["annotations"] = [{"result": found}]
    tasks.write_text(json.dumps([task | {"predictions": []}]))
    merge = ("--merge", "--labels", clips / "labels.csv", "--fps", 25)
    call(convert, tasks, clips / "segments.csv", *merge)
    rows = pd.read_csv(clips / "segments.csv")
    assert rows["video"].tolist() == ["b", "c"]
    assert rows.loc[1, ["t_start", "t_end"]].tolist() == pytest.approx([0.5, 3.0], abs=0.04)
    kept = (clips / "labels.csv").read_text().splitlines()
    assert kept == [
        "video,labels,split,annotated",
        "a.mp4,wave,train,",
        "b.mp4,clap,test,",
        "c.mp4,wave,test,",
    ]
    known = read_folder_annotations(clips / "labels.csv", clips / "segments.csv").database
    assert "annotated" not in known["c"] and "labelled" not in known["c"]
    call(convert, tasks, clips / "segments.csv", *merge)  # once more: the video is replaced
    assert len(pd.read_csv(clips / "segments.csv")) == 2
    with pytest.raises(WstalError, match="--merge: a file of format srt is about one video"):
        call(convert, tasks, clips, "--to", "srt", "--merge", "--fps", 25)
