"""Coverage: what a number rests on."""

import pandas as pd
import pytest
from evaluation_cases import truth
from wstal.errors import WstalError
from wstal.evaluate.coverage import beyond, coverage_of, read_durations, read_usable


def test_counts_videos_and_their_instances(tmp_path):
    instances = truth(tmp_path).segments(["v1", "v2"])
    part = coverage_of(instances, ["v1", "v2"], {"v1", "v9"})
    assert str(part) == "1/2 videos; 2/3 instances" and part.missing == ("v2",)
    assert str(coverage_of(instances, ["v1", "v2"], None)) == "2/2 videos; 3/3 instances"
    assert str(coverage_of(instances, ["v1", "v2"], None, 5)) == "2/5 videos; 3/3 instances"


def test_reads_coverage_and_manifest(tmp_path):
    path = tmp_path / "coverage.csv"
    path.write_text("id,split,status,rows,reason\nv1,test,ok,12,\nv2,test,broken,0,cut off\n")
    assert read_usable(path) == {"v1"}
    path.write_text("video,rows\nv1,1\n")
    with pytest.raises(WstalError, match=r"coverage\.csv: columns id and rows"):
        read_usable(path)
    path.write_text("id,duration\nv1,12.5\nv2,\nv3,0\n")
    assert read_durations(path) == {"v1": 12.5}


def test_segments_past_the_end_of_their_video_are_told():
    rows = [("a", 1.0, 10.5, "x"), ("b", 250.0, 375.0, "x"), ("c", 9.0, 99.0, "x")]
    segments = pd.DataFrame(rows, columns=["video_id", "t_start", "t_end", "label"])
    assert beyond(segments, {"a": 10.0, "b": 400.0}) == ""  # of c nothing is known
    line = beyond(segments, {"a": 10.0, "b": 15.0})
    assert line.startswith(
        "1 of 3 annotated segments end after their video, such as b 250 to 375 s"
    )
