"""Per-second accuracy, and AVE's majority baseline from its real labels.

Rows of accuracy per second, by hand.
"""

from __future__ import annotations

from dataclasses import replace

import h5py
import numpy as np
import pytest
from evaluation_cases import frame, truth
from wstal.base.errors import WstalError
from wstal.evaluate import event_accuracy
from wstal.evaluate.events import (
    best_event_iteration,
    event_checkpoint_rows,
    event_labels,
    event_rows,
    judge,
    second_answers,
    strict_events,
)
from wstal.evaluate.map_table import ALL
from wstal.evaluate.protocols import Protocol


def test_accuracy_and_recall_by_hand():
    labels = np.array([[0, 0, 2, 2], [2, 2, 1, 1]])
    events = np.array([[0, 2, 2, 2], [2, 2, 0, 0]])
    result = event_accuracy(events, labels, 2)
    assert result["accuracy"] == 5 / 8
    assert result["seconds"] == 8
    np.testing.assert_array_equal(result["recall"], [0.5, 0, 1])


def test_second_belongs_to_the_event_over_its_middle():
    truth = frame([("v", 1.0, 3.0, "b"), ("v", 4.6, 6.4, "a"), ("elsewhere", 0, 9, "a")])
    labels = event_labels(truth, ["v", "silent"], ["a", "b"], seconds=7)
    assert labels.tolist() == [[2, 1, 1, 2, 2, 0, 2], [2] * 7]


def ave(reference, *lists):
    """AVE's rows of the given lists as (truth, ids, classes)."""
    folder = reference / "data/annotations/ave"
    rows = [line.split("&") for line in (folder / "Annotations.txt").read_text().splitlines()]
    classes = list(dict.fromkeys(row[0] for row in rows))
    picked = []
    for name in lists:
        with h5py.File(folder / f"{name}_order.h5") as file:
            picked += file["order"][()].tolist()
    # A video may carry several rows; each row is a clip of its own.
    truth = [(f"row{i}", float(rows[i][3]), float(rows[i][4]), rows[i][0]) for i in picked]
    return frame(truth), [f"row{i}" for i in picked], classes


def test_majority_on_the_ave_test_list(reference):
    truth, ids, classes = ave(reference, "test")
    labels = event_labels(truth, ids, classes)
    background = event_accuracy(np.full_like(labels, 28), labels, 28)
    assert labels.shape == (402, 10) and len(classes) == 28
    assert np.bincount(labels.ravel()).argmax() == 28
    assert round(100 * background["accuracy"], 1) == 17.8


def test_the_804_variant_is_validation_and_test(reference):
    truth, ids, classes = ave(reference, "val", "test")
    labels = event_labels(truth, ids, classes)
    assert labels.shape == (804, 10)
    assert event_accuracy(labels, labels, 28)["accuracy"] == 1


def test_errors():
    with pytest.raises(WstalError, match="must agree"):
        event_accuracy(np.zeros((2, 3), int), np.zeros((3, 2), int), 2)
    with pytest.raises(WstalError, match=r"0\.\.2, 2 for background"):
        event_accuracy(np.full((1, 2), 3), np.zeros((1, 2), int), 2)


def test_a_second_is_answered_by_the_likeliest_class_of_its_snippet():
    cas = np.array([[0.1, 0.7, 0.2], [0.5, 0.2, 0.3], [0.2, 0.2, 0.6]])
    assert second_answers(cas, 0.0, 1.0, 3).tolist() == [1, 0, 2]
    assert second_answers(np.log(cas), 0.0, 1.0, 3).tolist() == [1, 0, 2]
    assert second_answers(np.full((2, 3), 0.5), 0.0, 1.0, 2).tolist() == [0, 0]  # ties: the first


def test_other_snippets_answer_over_the_middle_and_the_last_for_what_is_missing():
    cas = np.eye(8)  # snippet i names class i
    # Middles at 0.5, 1.5, ...; snippets of 0.64 s hold [0.64 i, 0.64 (i + 1)).
    expected = [int((j + 0.5) / 0.64) for j in range(5)]
    assert second_answers(cas, 0.0, 0.64, 5).tolist() == expected == [0, 2, 3, 5, 7]
    assert second_answers(cas, 0.0, 0.64, 8).tolist() == [0, 2, 3, 5, 7, 7, 7, 7]
    assert second_answers(cas, 0.6, 1.0, 3).tolist() == [0, 0, 1]


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
