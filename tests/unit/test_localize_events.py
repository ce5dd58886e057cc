"""Stretches of the likeliest class as detections."""

import numpy as np
from wstal.localize.events import event_detections
from wstal.localize.scores import Scores, VideoScores


def test_stretches_of_one_class_in_seconds():
    cas = np.eye(3)[[2, 0, 0, 1, 1, 1, 2, 0]] * 4.0
    empty = np.eye(3)[[2, 2]]
    videos = {
        "v": VideoScores(cas, np.zeros(8), np.zeros(2)),
        "w": VideoScores(empty, np.zeros(2), np.zeros(2)),
    }
    found = event_detections(Scores(["a", "b"], videos, t0=0.5, step=2.0))
    assert found.to_numpy().tolist() == [
        ["v", 2.5, 6.5, "a", 4.0],
        ["v", 14.5, 16.5, "a", 4.0],
        ["v", 6.5, 12.5, "b", 4.0],
    ]


def test_background_throughout_is_no_detection():
    videos = {"w": VideoScores(np.eye(3)[[2, 2]], np.zeros(2), np.zeros(2))}
    assert not len(event_detections(Scores(["a", "b"], videos)))
