"""Rows of accuracy per second, by hand."""

from dataclasses import replace

import numpy as np
import pytest
from evaluation_cases import truth
from wstal.errors import WstalError
from wstal.evaluate.event_table import (
    best_event_iteration,
    event_checkpoint_rows,
    event_rows,
    judge,
    strict_events,
)
from wstal.evaluate.map_table import ALL
from wstal.evaluate.protocols import Protocol

AVE = Protocol("ave", (), (), "", task="events", videos=2)
# Seconds 1-2 of v1 are dive, 8-9 jump (9.5 lies before 9.7); 0-3 of v2 dive; 2-3 of v3 jump.
V1 = np.array([2, 0, 0, 2, 2, 2, 2, 2, 1, 1])
EMPTY = np.full(10, 2)


def overall(rows):
    return {(r["checkpoint"], r["metric"]): r["value"] for r in rows if r["class"] == ALL}


def recall(rows):
    return {r["class"]: r["value"] for r in rows if r["class"] != ALL}


def test_accuracy_recall_and_counts(tmp_path):
    rows = event_rows(truth(tmp_path), AVE, {"v1": V1, "v2": EMPTY})
    assert overall(rows) == {("last", "accuracy"): 80.0}
    assert recall(rows) == {"dive": pytest.approx(100 / 3), "jump": 100, "background": 100}
    assert {r["class"]: r["gt"] for r in rows} == {ALL: 20, "dive": 6, "jump": 2, "background": 12}


def test_seconds_of_missing_videos_are_wrong_or_left_out(tmp_path):
    right = {"v1": np.where(np.arange(10) == 9, 2, V1)}  # one wrong
    rows = event_rows(truth(tmp_path), AVE, right)
    assert overall(rows)["last", "accuracy"] == 90 and rows[0]["gt"] == 10
    missing = replace(AVE, coverage_rule="missing_is_miss")
    rows = event_rows(truth(tmp_path), missing, right)
    assert overall(rows)["last", "accuracy"] == 45 and rows[0]["gt"] == rows[0]["predictions"] == 20
    assert recall(rows)["dive"] == pytest.approx(200 / 6)  # v2's four are missed
    assert rows[0]["coverage"] == "1/2 videos; 2/3 instances"
    with pytest.raises(WstalError, match="not empty"):
        event_rows(truth(tmp_path), AVE, {})


def test_as_many_seconds_as_the_protocol_says(tmp_path):
    judged = judge(truth(tmp_path), replace(AVE, seconds=4), {"v1": V1[:4], "v2": EMPTY[:4]})
    assert judged.labels.tolist() == [[2, 0, 0, 2], [0, 0, 0, 0]]
    assert judged.share_right.tolist() == [1, 0]


def test_the_first_of_equals_is_chosen_on_each_subset(tmp_path):
    history = {
        1: {"v1": EMPTY, "v2": EMPTY, "v3": EMPTY},
        2: {"v1": V1, "v2": EMPTY, "v3": EMPTY},
        3: {"v1": V1, "v2": EMPTY, "v3": np.ones(10, dtype=int)},
    }
    own = truth(tmp_path)
    found = overall(event_checkpoint_rows(own, AVE, history))
    assert found["best_val", "iteration"] == 1 and found["best_val", "accuracy"] == 60
    assert found["best_test", "iteration"] == 2 and found["best_test", "accuracy"] == 80
    assert best_event_iteration(own, AVE, {}) is None
    assert strict_events(own, AVE, {"v1": V1}, history) == ("best_val", history[1])


def test_validation_chooses_nothing_where_it_is_scored_or_absent(tmp_path):
    own, last = truth(tmp_path), {"v1": V1, "v2": EMPTY}
    both = replace(AVE, subsets=("val", "test"))
    history = {1: {**last, "v3": EMPTY}}
    found = overall(event_checkpoint_rows(own, both, history))
    assert {checkpoint for checkpoint, _ in found} == {"best_test"}
    assert strict_events(own, both, last, history)[0] == "last"
    found = overall(event_checkpoint_rows(own, AVE, {1: last}))  # v3 has no scores
    assert {checkpoint for checkpoint, _ in found} == {"best_test"}
    assert strict_events(own, AVE, last, {1: last}) == ("last", last)
