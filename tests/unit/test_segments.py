import numpy as np
import pandas as pd
from wstal.inference.localization import Localization
from wstal.inference.segments import clock, segment_lines, segment_table
from wstal.localize.scores import Scores, VideoScores

FOUND = pd.DataFrame(
    [
        ("v", 0.0, 59.96, "run", 0.25),
        ("v", 61.0, 3723.44, "long jump", 12.0),
        ("v", 2.0, 3.0, "run", -0.5),
    ],
    columns=["video_id", "t_start", "t_end", "label", "score"],
)


def localization(detections, status="ok"):
    scores = Scores(["run"], {"v": VideoScores(np.zeros((4, 2)), np.zeros(4), np.zeros(1))})
    row = {"duration": 90.0, "status": status}
    return Localization("v", row, "co2net seed0", scores, detections, {})


def test_seconds_are_read_as_minutes():
    assert [clock(s) for s in (0, 5.04, 59.96, 3723.44)] == [
        "0:00.0",
        "0:05.0",
        "1:00.0",
        "62:03.4",
    ]


def test_the_best_come_first_and_columns_are_aligned():
    lines = segment_table(FOUND, 2)
    assert [line.split() for line in lines] == [
        ["class", "start", "end", "score"],
        ["long", "jump", "1:01.0", "62:03.4", "12.000"],
        ["run", "0:00.0", "1:00.0", "0.250"],
    ]
    assert len({len(line) for line in lines}) == 1
    assert segment_table(FOUND[:0], 3) == []


def test_the_line_on_the_video_tells_how_many_there_are():
    assert segment_lines(localization(FOUND), 2)[0] == (
        "v (1:30.0), co2net seed0: 3 segments, the best 2"
    )
    one = segment_lines(localization(FOUND[:1], "partial"), 5)
    assert one[0] == "v (1:30.0, partial), co2net seed0: 1 segment" and one[-1] == ""
    assert segment_lines(localization(FOUND[:0]), 5)[0].endswith("no segments")
