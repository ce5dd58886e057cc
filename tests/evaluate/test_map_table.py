"""Rows of map.csv from a seed's files, and the choice of a checkpoint."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from evaluation_cases import (
    DATABASE,
    EMPTY,
    EVENT_HISTORY,
    EVENTS,
    PERFECT,
    PROTOCOL,
    V1,
    detections,
    results_of,
    truth,
    write_detections,
    write_events,
)
from wstal.base.errors import WstalError
from wstal.evaluate.bootstrap import choose_strict_events
from wstal.evaluate.map_table import (
    ALL,
    COLUMNS,
    best_event_iteration,
    checkpoint_rows,
    detection_rows,
    event_checkpoint_rows,
    event_rows,
    has_segments,
    read_video_scores,
    run_rows,
    video_rows,
)
from wstal.evaluate.protocols import Protocol, prepare
from wstal.localize.scores import Scores, VideoScores, write_scores

AVE = Protocol("ave", "AVE", (), (), "", task="events", videos=2)


def means(rows):
    """{(checkpoint, metric): value} over all classes."""
    return {(r["checkpoint"], r["metric"]): r["value"] for r in rows if r["class"] == ALL}


def write_files(folder):
    """proposals.json, its history and scores.h5 of a perfect run."""
    frame = detections(PERFECT)
    write_detections(folder / "p.json", frame)
    history = {"iterations": {"10": results_of(frame), "20": {}}}
    (folder / "h.json.gz").write_bytes(gzip.compress(json.dumps(history).encode()))
    videos = {
        video: VideoScores(np.zeros((2, 3)), np.zeros(2), np.array(score))
        for video, score in {"v1": [0.9, 0.2], "v2": [0.1, 0.8]}.items()
    }
    write_scores(folder / "s.h5", Scores(["jump", "dive"], videos))  # classes in another order
    return folder / "p.json", folder / "h.json.gz", folder / "s.h5"


def test_videos_that_nobody_annotated_are_not_scored(tmp_path):
    database = {
        **DATABASE,
        "empty": DATABASE["v2"] | {"annotations": []},
        "unmarked": DATABASE["v1"] | {"annotated": False},
        "unnamed": DATABASE["v2"] | {"labels": [], "annotated": False, "labelled": False},
    }
    alarms = [(video, 0.0, 4.0, "dive", 0.99) for video in ("unmarked", "unnamed", "empty")]
    prepared = prepare(truth(tmp_path, database=database), detections(PERFECT + alarms), PROTOCOL)
    assert str(prepared.coverage) == "3/3 videos; 3/3 instances; 2 not annotated left out"
    assert set(prepared.predictions["video_id"]) == {"v1", "v2", "empty"}
    found = means(detection_rows(prepared, PROTOCOL, "last"))
    assert found["last", "mAP@0.50"] == pytest.approx(100 * (1 + 2 / 3) / 2)

    scores = {name: np.array([0.9, 0.1]) for name in ("v1", "v2", "empty", "unmarked", "unnamed")}
    rows = video_rows(truth(tmp_path, database=database), PROTOCOL, scores)
    assert rows[0]["coverage"] == "4/4 videos; 5/5 instances; 1 not labelled left out"
    assert rows[0]["predictions"] == 4

    database = {**DATABASE, "v2": DATABASE["v2"] | {"annotated": False}}
    rows = event_rows(truth(tmp_path, database=database), EVENTS, {"v1": V1, "v2": EMPTY})
    assert means(rows) == {("last", "accuracy"): 100}
    assert rows[0]["coverage"] == "1/1 videos; 2/2 instances; 1 not annotated left out"


def test_a_checkpoint_is_not_chosen_on_validation_videos_that_nobody_annotated(tmp_path):
    database = {**DATABASE, "v3": DATABASE["v3"] | {"annotated": False}}
    frames = {10: detections([*PERFECT, ("v3", 2.0, 4.0, "jump", 0.9)])}
    rows = checkpoint_rows(truth(tmp_path, database=database), PROTOCOL, frames, None)
    assert {row["checkpoint"] for row in rows} == {"best_test"}


def test_everything_at_once(tmp_path):
    proposals, history, scores = write_files(tmp_path)
    rows = run_rows(
        truth(tmp_path),
        PROTOCOL,
        usable={"v1", "v2"},
        predictions={"last": proposals, "constant_attention": proposals},
        history=history,
        scores=scores,
    )
    found = means(rows)
    assert found["last", "mAP@0.70"] == found["constant_attention", "mAP@0.70"] == 100
    assert found["best_test", "iteration"] == 10 and found["last", "video_mAP"] == 100


def test_without_segments_only_the_video_level_is_left(tmp_path):
    proposals, history, scores = write_files(tmp_path)
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


def test_without_files_nothing_can_be_scored(tmp_path):
    with pytest.raises(WstalError, match="give detections"):
        run_rows(truth(tmp_path), PROTOCOL, predictions={})


def test_events_need_scores(tmp_path):
    with pytest.raises(WstalError, match="--scores"):
        run_rows(truth(tmp_path), replace(PROTOCOL, task="events"), predictions={})


def test_events_are_scored_at_every_checkpoint(tmp_path):
    scores, history = write_events(tmp_path, "a", EVENT_HISTORY[30], EVENT_HISTORY)
    own = truth(tmp_path)
    rows = run_rows(own, EVENTS, predictions={}, scores=scores, score_history=history)
    found = means(rows)
    assert found == {
        ("last", "accuracy"): 60,
        ("best_val", "accuracy"): 80,
        ("best_val", "iteration"): 20,
        ("best_test", "accuracy"): 100,
        ("best_test", "iteration"): 10,
    }
    both = replace(EVENTS, name="both", subsets=("val", "test"))
    files = {"predictions": {}, "scores": scores, "score_history": history, "paper": both}
    for rule, name, value in (
        ("best_test", "best_test", 280 / 3),
        ("last", "last", 220 / 3),
        ("best_val", "last", 220 / 3),  # the protocol scores the validation videos
    ):
        rows = run_rows(own, EVENTS, **files, paper_checkpoint=rule)
        assert means([r for r in rows if r["protocol"] == "small"]) == found
        (best,) = [
            r
            for r in rows
            if r["protocol"] == "both" and (r["metric"], r["class"]) == ("accuracy", ALL)
        ]
        assert (best["checkpoint"], best["gt"]) == (name, 30)
        assert best["value"] == pytest.approx(value)


def test_reads_what_localization_writes_in_the_order_of_the_classes(tmp_path):
    video = VideoScores(np.zeros((3, 3)), np.zeros(3), np.array([0.25, 0.75]))
    write_scores(tmp_path / "s.h5", Scores(["b", "a"], {"v/1": video}))
    found = read_video_scores(tmp_path / "s.h5", ["a", "b"])
    assert list(found) == ["v/1"] and found["v/1"].tolist() == [0.75, 0.25]
    with pytest.raises(WstalError, match="trained on other annotations"):
        read_video_scores(tmp_path / "s.h5", ["a", "c"])


SHIFTED = detections([(v, s + 1, e + 1, c, x) for v, s, e, c, x in PERFECT])


VAL = detections([("v3", 2.0, 4.0, "jump", 0.5)])


def test_percent_per_threshold_average_and_class(tmp_path):
    found = detections(PERFECT).iloc[:2]  # the dive of v2 is missed
    rows = detection_rows(prepare(truth(tmp_path), found, PROTOCOL), PROTOCOL, "last")
    table = pd.DataFrame(rows, columns=COLUMNS).set_index(["metric", "class"])
    assert table.index.unique("metric").tolist() == [
        "mAP@0.30",
        "mAP@0.50",
        "mAP@0.70",
        "mAP@0.3:0.7",
    ]
    line = table.loc["mAP@0.3:0.7"]
    assert line["value"].to_dict() == {ALL: 75.0, "dive": 50.0, "jump": 100.0}
    assert line["gt"].to_dict() == {ALL: 3, "dive": 2, "jump": 1}
    assert line["predictions"].to_dict() == {ALL: 2, "dive": 1, "jump": 1}
    assert set(table["coverage"]) == {"2/2 videos; 3/3 instances"}


def test_best_on_test_is_the_first_of_the_best(tmp_path):
    history = {200: SHIFTED, 400: detections(PERFECT), 600: detections(PERFECT)}
    rows = checkpoint_rows(truth(tmp_path), PROTOCOL, history, None)
    assert means(rows)["best_test", "iteration"] == 400
    assert means(rows)["best_test", "mAP@0.70"] == 100
    assert not any(row["checkpoint"] == "best_val" for row in rows)


def test_best_on_validation_reads_no_test_ground_truth_to_choose(tmp_path):
    # Validation is right at 200, where the test videos are wrong.
    history = {200: pd.concat([SHIFTED, VAL]), 400: detections(PERFECT)}
    found = means(checkpoint_rows(truth(tmp_path), PROTOCOL, history, None))
    assert found["best_val", "iteration"] == 200 and found["best_test", "iteration"] == 400
    assert found["best_val", "mAP@0.70"] < found["best_test", "mAP@0.70"]


def test_the_papers_checkpoint_is_chosen_and_scored_under_its_protocol(tmp_path):
    # On whole snippets of 4 s the jump ends at 8: off by a quarter, as the second iterate has it.
    paper = replace(PROTOCOL, name="paper", units="snippets", snippets_per_second=0.25)
    rounded = detections(
        [("v1", 0, 4, "dive", 1), ("v1", 8, 8, "jump", 1), ("v2", 0, 4, "dive", 1)]
    )
    history = {200: pd.concat([detections(PERFECT), VAL]), 400: rounded}
    content = {str(number): results_of(each) for number, each in history.items()}
    (tmp_path / "h.json").write_text(json.dumps({"iterations": content}))
    last = write_detections(tmp_path / "last.json", rounded)
    files = {"predictions": {"last": last}, "history": tmp_path / "h.json", "paper": paper}
    iterations = {"best_test": 400, "best_val": 200, "last": None}
    for rule, iteration in iterations.items():
        rows = run_rows(truth(tmp_path), PROTOCOL, **files, paper_checkpoint=rule)
        own = [row for row in rows if row["protocol"] == "small"]
        assert {row["checkpoint"] for row in own} == {"last", "best_val", "best_test"}
        assert means(own)["best_test", "iteration"] == 200
        theirs = [row for row in rows if row["protocol"] == "paper"]
        assert {row["checkpoint"] for row in theirs} == {rule}
        assert means(theirs).get((rule, "iteration")) == iteration


def test_the_choice_looks_at_usable_videos_alone(tmp_path):
    # 200 finds the dive of v2 alone; 400 those of v1, which has no features.
    found = detections(PERFECT)
    history = {200: found[found["video_id"] == "v2"], 400: found[found["video_id"] == "v1"]}
    for usable, best in (({"v2"}, 200), ({"v1"}, 400), (None, 400)):
        rows = means(checkpoint_rows(truth(tmp_path), PROTOCOL, history, usable))
        assert rows["best_test", "iteration"] == best


def test_no_history_gives_no_rows(tmp_path):
    assert checkpoint_rows(truth(tmp_path), PROTOCOL, {}, None) == []


def test_video_level_map(tmp_path):
    scores = {"v1": np.array([0.2, 0.9]), "v2": np.array([0.8, 0.1]), "v4": np.array([9.0, 9.0])}
    found = video_rows(truth(tmp_path), PROTOCOL, scores)
    assert {r["class"]: r["value"] for r in found} == {ALL: 100, "dive": 100, "jump": 100}
    assert found[0]["coverage"] == "2/2 videos; 3/3 instances" and found[0]["gt"] == 3
    missing = replace(PROTOCOL, coverage_rule="missing_is_miss")
    del scores["v1"]
    found = {r["class"]: r["value"] for r in video_rows(truth(tmp_path), missing, scores)}
    assert found == {ALL: 75, "dive": 100, "jump": 50}  # v1 ranks below v2 in every class
    found = video_rows(truth(tmp_path), PROTOCOL, scores)
    assert found[0]["coverage"] == "1/2 videos; 1/3 instances" and found[0]["value"] == 100


def test_has_segments(tmp_path):
    assert has_segments(truth(tmp_path), PROTOCOL)
    bare = {video: {**entry, "annotations": []} for video, entry in DATABASE.items()}
    assert not has_segments(truth(tmp_path, database=bare), PROTOCOL)


def recall(rows):
    return {r["class"]: r["value"] for r in rows if r["class"] != ALL}


def test_accuracy_recall_and_counts(tmp_path):
    rows = event_rows(truth(tmp_path), AVE, {"v1": V1, "v2": EMPTY})
    assert means(rows) == {("last", "accuracy"): 80.0}
    assert recall(rows) == {"dive": pytest.approx(100 / 3), "jump": 100, "background": 100}
    assert {r["class"]: r["gt"] for r in rows} == {ALL: 20, "dive": 6, "jump": 2, "background": 12}


def test_seconds_of_missing_videos_are_wrong_or_left_out(tmp_path):
    right = {"v1": np.where(np.arange(10) == 9, 2, V1)}  # one wrong
    rows = event_rows(truth(tmp_path), AVE, right)
    assert means(rows)["last", "accuracy"] == 90 and rows[0]["gt"] == 10
    missing = replace(AVE, coverage_rule="missing_is_miss")
    rows = event_rows(truth(tmp_path), missing, right)
    assert means(rows)["last", "accuracy"] == 45 and rows[0]["gt"] == rows[0]["predictions"] == 20
    assert recall(rows)["dive"] == pytest.approx(200 / 6)  # v2's four are missed
    assert rows[0]["coverage"] == "1/2 videos; 2/3 instances"
    with pytest.raises(WstalError, match="not be empty"):
        event_rows(truth(tmp_path), AVE, {})


def test_the_first_of_equals_is_chosen_on_each_subset(tmp_path):
    history = {
        1: {"v1": EMPTY, "v2": EMPTY, "v3": EMPTY},
        2: {"v1": V1, "v2": EMPTY, "v3": EMPTY},
        3: {"v1": V1, "v2": EMPTY, "v3": np.ones(10, dtype=int)},
    }
    own = truth(tmp_path)
    found = means(event_checkpoint_rows(own, AVE, history))
    assert found["best_val", "iteration"] == 1 and found["best_val", "accuracy"] == 60
    assert found["best_test", "iteration"] == 2 and found["best_test", "accuracy"] == 80
    assert best_event_iteration(own, AVE, {}) is None
    assert choose_strict_events(own, AVE, {"v1": V1}, history) == ("best_val", history[1])


def test_validation_chooses_nothing_where_it_is_scored_or_absent(tmp_path):
    own, last = truth(tmp_path), {"v1": V1, "v2": EMPTY}
    both = replace(AVE, subsets=("val", "test"))
    history = {1: {**last, "v3": EMPTY}}
    found = means(event_checkpoint_rows(own, both, history))
    assert {checkpoint for checkpoint, _ in found} == {"best_test"}
    assert choose_strict_events(own, both, last, history)[0] == "last"
    found = means(event_checkpoint_rows(own, AVE, {1: last}))  # v3 has no scores
    assert {checkpoint for checkpoint, _ in found} == {"best_test"}
    assert choose_strict_events(own, AVE, last, {1: last}) == ("last", last)
