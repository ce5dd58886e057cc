import numpy as np
import pytest
from wstal.localize.detection_frame import COLUMNS, all_rows, class_rows, detection_frame
from wstal.localize.scores import Scores, VideoScores


def scores():
    video = VideoScores(np.zeros((4, 3)), np.zeros(4), np.zeros(2))
    return Scores(["run", "jump"], {"b": video, "a": video}, t0=0.5, step=0.64)


def test_snippets_become_seconds_and_classes_names():
    rows = np.array([[0.0, 2.0, 1, 0.7], [1.25, 3.5, 0, -0.1]])
    frame = detection_frame(scores(), lambda video: rows)
    assert list(frame.columns) == COLUMNS
    assert frame["video_id"].tolist() == ["b", "b", "a", "a"]
    assert frame["label"].tolist() == ["jump", "run"] * 2
    second = frame.iloc[1]
    assert (second["t_start"], second["t_end"], second["score"]) == pytest.approx(
        (0.5 + 1.25 * 0.64, 0.5 + 3.5 * 0.64, -0.1)
    )


def test_nothing_found_keeps_the_columns():
    frame = detection_frame(scores(), lambda video: all_rows([]))
    assert list(frame.columns) == COLUMNS and len(frame) == 0


def test_rows_of_classes_stand_under_each_other():
    first = class_rows(np.array([[0, 2]]), 1, np.array([0.5]))
    rows = all_rows([first, class_rows(np.array([[3, 4]]), 2, np.array([0.25]))])
    assert rows.tolist() == [[0, 2, 1, 0.5], [3, 4, 2, 0.25]] and rows.dtype == np.float64
