"""From a seed's files to rows.

What evaluation reads of HDF5 files.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import replace

import h5py
import numpy as np
import pytest
from evaluation_cases import DATABASE, PERFECT, PROTOCOL, detections, truth
from wstal.base.errors import WstalError
from wstal.evaluate.detections import results_of, write_detections
from wstal.evaluate.run_rows import (
    read_event_history,
    read_events,
    read_video_scores,
    run_rows,
    strict_runs,
    weights_note,
)
from wstal.localize.scores import Scores, VideoScores, write_iterations, write_scores


def files(folder):
    """proposals.json, its history and scores.h5 of a perfect run."""
    frame = detections(PERFECT)
    write_detections(folder / "p.json", frame)
    history = {"iterations": {"10": results_of(frame), "20": {}}}
    (folder / "h.json.gz").write_bytes(gzip.compress(json.dumps(history).encode()))
    with h5py.File(folder / "s.h5", "w") as file:
        file.attrs["classes_json"] = json.dumps(["jump", "dive"])  # another order
        for video, score in {"v1": [0.9, 0.2], "v2": [0.1, 0.8]}.items():
            group = file.create_group(video)
            group.attrs["id"] = video
            group["video_score"] = np.array(score)
    return folder / "p.json", folder / "h.json.gz", folder / "s.h5"


def test_everything_at_once(tmp_path):
    proposals, history, scores = files(tmp_path)
    rows = run_rows(
        truth(tmp_path),
        PROTOCOL,
        usable={"v1", "v2"},
        predictions={"last": proposals, "constant_attention": proposals},
        history=history,
        scores=scores,
    )
    found = {(r["checkpoint"], r["metric"]): r["value"] for r in rows if r["class"] == "all"}
    assert found["last", "mAP@0.70"] == found["constant_attention", "mAP@0.70"] == 100
    assert found["best_test", "iteration"] == 10 and found["last", "video_mAP"] == 100


def test_without_segments_only_the_video_level_is_left(tmp_path):
    proposals, history, scores = files(tmp_path)
    bare = {video: {**entry, "annotations": []} for video, entry in DATABASE.items()}
    own = truth(tmp_path, database=bare)
    rows = run_rows(own, PROTOCOL, predictions={"last": proposals}, history=history, scores=scores)
    assert {row["metric"] for row in rows} == {"video_mAP"}
    with pytest.raises(WstalError, match="nothing can be scored"):
        run_rows(own, PROTOCOL, predictions={"last": proposals})


def test_unknown_labels_in_the_history_are_an_error_too(tmp_path):
    history = tmp_path / "h.json"
    found = detections([("v1", 0.0, 1.0, "hop", 1.0)])
    history.write_text(json.dumps({"iterations": {"10": results_of(found)}}))
    with pytest.raises(WstalError, match=r"h\.json: 1 detections.*'hop'"):
        run_rows(truth(tmp_path), PROTOCOL, predictions={}, history=history)


def test_nothing_given(tmp_path):
    with pytest.raises(WstalError, match="give detections"):
        run_rows(truth(tmp_path), PROTOCOL, predictions={})


def test_events_need_scores(tmp_path):
    with pytest.raises(WstalError, match="--scores"):
        run_rows(truth(tmp_path), replace(PROTOCOL, task="events"), predictions={})


def event_files(folder, name, last, history):
    """scores.h5 and scores_by_iteration.h5 that answer as given: {video: classes of seconds}."""

    def scores(answers, iteration=0):
        videos = {
            video: VideoScores(np.eye(3)[each], np.zeros(len(each)), np.zeros(2))
            for video, each in answers.items()
        }
        return Scores(["dive", "jump"], videos, iteration=iteration, step=1.0)

    write_scores(folder / f"{name}.h5", scores(last))
    made = (scores(each, iteration) for iteration, each in history.items())
    write_iterations(folder / f"{name}_history.h5", made)
    return folder / f"{name}.h5", folder / f"{name}_history.h5"


V1 = [2, 0, 0, 2, 2, 2, 2, 2, 1, 1]
V2 = [0, 0, 0, 0, 2, 2, 2, 2, 2, 2]
V3 = [2, 2, 1, 1, 2, 2, 2, 2, 2, 2]
EMPTY = [2] * 10
EVENTS = replace(PROTOCOL, task="events")
HISTORY = {
    10: {"v1": V1, "v2": V2, "v3": EMPTY},  # 100 % of test, 80 % of validation
    20: {"v1": V1, "v2": EMPTY, "v3": V3},  # 80 %, 100 %
    30: {"v1": EMPTY, "v2": EMPTY, "v3": V3},  # 60 %, 100 %: not the first of equals
}


def test_events_are_scored_at_every_checkpoint(tmp_path):
    scores, history = event_files(tmp_path, "a", HISTORY[30], HISTORY)
    own = truth(tmp_path)
    rows = run_rows(own, EVENTS, predictions={}, scores=scores, score_history=history)
    found = {(r["checkpoint"], r["metric"]): r["value"] for r in rows if r["class"] == "all"}
    assert found == {
        ("last", "accuracy"): 60,
        ("best_val", "accuracy"): 80,
        ("best_val", "iteration"): 20,
        ("best_test", "accuracy"): 100,
        ("best_test", "iteration"): 10,
    }
    both = replace(EVENTS, name="both", subsets=("val", "test"))
    rows = run_rows(own, EVENTS, predictions={}, scores=scores, score_history=history, paper=both)
    (best,) = [
        r
        for r in rows
        if (r["checkpoint"], r["metric"], r["class"]) == ("best_test", "accuracy", "all")
    ]
    assert (best["protocol"], best["gt"]) == ("both", 30) and best["value"] == pytest.approx(
        280 / 3
    )


def test_runs_of_events_are_compared_at_the_best_on_validation(tmp_path):
    own = truth(tmp_path)
    a = event_files(tmp_path, "a", HISTORY[30], HISTORY)
    b = event_files(tmp_path, "b", HISTORY[30], {30: HISTORY[30]})
    given = [([a[0]], [a[1]]), ([b[0]], [b[1]])]
    checkpoint, runs = strict_runs(own, EVENTS, None, given)
    assert checkpoint == "best_val"
    assert [run[0].share_right.tolist() for run in runs] == [[1, 0.6], [0.6, 0.6]]
    checkpoint, runs = strict_runs(own, EVENTS, None, [([a[0]], []), ([b[0]], [])])
    assert checkpoint == "last" and runs[0][0].share_right.tolist() == [0.6, 0.6]
    with pytest.raises(WstalError, match="best_val, last cannot be compared"):
        strict_runs(own, EVENTS, None, [([a[0]], [a[1]]), ([b[0]], [])])
    with pytest.raises(WstalError, match="1 files of scores and 2 of scores by iteration"):
        strict_runs(own, EVENTS, None, [([a[0]], [a[1], a[1]])])


def test_runs_of_detections_are_compared_at_the_last_iterate(tmp_path):
    proposals, _, _ = files(tmp_path)
    said = []
    outside = tmp_path / "val.json"
    write_detections(outside, detections([("v3", 2.0, 4.0, "jump", 0.5)]))
    given = [([proposals], []), ([outside], [])]
    checkpoint, runs = strict_runs(truth(tmp_path), PROTOCOL, None, given, said.append)
    assert checkpoint == "last" and [len(run[0].predictions) for run in runs] == [3, 0]
    assert len(said) == 1 and "val.json: 1 detections" in said[0]


def test_reads_what_localization_writes_in_the_order_of_the_classes(tmp_path):
    video = VideoScores(np.zeros((3, 3)), np.zeros(3), np.array([0.25, 0.75]))
    write_scores(tmp_path / "s.h5", Scores(["b", "a"], {"v/1": video}))
    found = read_video_scores(tmp_path / "s.h5", ["a", "b"])
    assert list(found) == ["v/1"] and found["v/1"].tolist() == [0.75, 0.25]
    with pytest.raises(WstalError, match="trained on other annotations"):
        read_video_scores(tmp_path / "s.h5", ["a", "c"])


def test_events_are_the_likeliest_classes_in_the_order_of_the_ground_truth(tmp_path):
    cas = np.array([[5.0, 1, 0], [0, 2, 1], [0, 1, 9]])  # b, a, background
    video = VideoScores(cas, np.zeros(3), np.zeros(2))
    scores = Scores(["b", "a"], {"v": video}, step=1.0)
    write_scores(tmp_path / "s.h5", scores)
    assert read_events(tmp_path / "s.h5", ["b", "a"], 3)["v"].tolist() == [0, 1, 2]
    assert read_events(tmp_path / "s.h5", ["a", "b"], 4)["v"].tolist() == [1, 0, 2, 2]
    with pytest.raises(WstalError, match="trained on other annotations"):
        read_events(tmp_path / "s.h5", ["a", "c"], 3)


def test_events_of_every_interval(tmp_path):
    made = []
    for iteration, answer in ((20, 1), (100, 0)):
        video = VideoScores(np.eye(3)[[answer, 2]], np.zeros(2), np.zeros(2))
        made.append(Scores(["a", "b"], {"v": video}, iteration=iteration, step=1.0))
    write_iterations(tmp_path / "h.h5", made)
    found = read_event_history(tmp_path / "h.h5", ["a", "b"], 2)
    assert list(found) == [20, 100]
    assert [found[i]["v"].tolist() for i in found] == [[1, 2], [0, 2]]


def test_untrained_weights_are_told(tmp_path):
    for kind, note in (("untrained", "untrained weights"), ("pretrained", "")):
        with h5py.File(tmp_path / f"{kind}.h5", "w") as file:
            file.attrs["weights"] = kind
        assert weights_note(tmp_path / f"{kind}.h5") == note
    (tmp_path / "no.h5").write_text("text")
    with pytest.raises(WstalError, match="not a readable HDF5 file"):
        weights_note(tmp_path / "no.h5")
