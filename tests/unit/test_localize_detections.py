import json

import numpy as np
import pandas as pd
from wstal.evaluate.detections import read_detections, read_detections_by_iteration
from wstal.localize.detections import summary, write_proposals, write_proposals_by_iteration
from wstal.localize.scores import Scores, VideoScores

FRAME = pd.DataFrame(
    {
        "video_id": ["b", "b"],
        "t_start": [0.64, 1.28],
        "t_end": [1.92, 2.56],
        "label": ["x", "x"],
        "score": [0.9, -0.25],
    }
)


def scores(iteration=12):
    video = VideoScores(np.zeros((4, 2)), np.zeros(4), np.zeros(1))
    return Scores(["x"], {"a": video, "b": video}, iteration=iteration, provenance={"seed": 3})


def test_evaluation_reads_what_was_written(tmp_path):
    write_proposals(tmp_path / "p.json", FRAME, scores(), {"sigma": 0.3})
    found = read_detections(tmp_path / "p.json")
    pd.testing.assert_frame_equal(found, FRAME)
    content = json.loads((tmp_path / "p.json").read_text())
    assert content["results"]["a"] == []  # scored, nothing found
    assert content["external_data"]["provenance"] == {
        "seed": 3,
        "iteration": 12,
        "localize": {"sigma": 0.3},
    }


def test_evaluation_reads_the_history(tmp_path):
    found = [(scores(200), FRAME), (scores(50), FRAME.iloc[:0])]
    write_proposals_by_iteration(tmp_path / "h.json.gz", found, {})
    history = read_detections_by_iteration(tmp_path / "h.json.gz")
    assert list(history) == [50, 200] and len(history[50]) == 0
    pd.testing.assert_frame_equal(history[200], FRAME)


def test_equal_content_is_equal_bytes(tmp_path):
    for name in ("a.json.gz", "b.json.gz"):
        write_proposals_by_iteration(tmp_path / name, [(scores(), FRAME)], {})
    assert (tmp_path / "a.json.gz").read_bytes() == (tmp_path / "b.json.gz").read_bytes()


def test_summary_names_what_to_watch():
    line = summary(scores(), FRAME)
    assert line == "iteration 12: 2 proposals in 2 videos, mean attention 0.000"
