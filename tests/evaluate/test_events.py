"""Per-second events: labels, accuracy, and what a run's score files give."""

from __future__ import annotations

from dataclasses import replace

import h5py
import numpy as np
import pytest
from evaluation_cases import EMPTY, V1, frame, truth
from wstal.base.errors import WstalError
from wstal.evaluate import event_accuracy
from wstal.evaluate.events import (
    classify_seconds,
    event_labels,
    judge,
    read_event_history,
    read_events,
)
from wstal.evaluate.protocols import Protocol
from wstal.localize.scores import Scores, VideoScores, write_iterations, write_scores


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


def test_unequal_shapes_and_unknown_classes_are_refused():
    with pytest.raises(WstalError, match="must agree"):
        event_accuracy(np.zeros((2, 3), int), np.zeros((3, 2), int), 2)
    with pytest.raises(WstalError, match=r"0\.\.2, 2 for background"):
        event_accuracy(np.full((1, 2), 3), np.zeros((1, 2), int), 2)


def test_a_second_is_answered_by_the_likeliest_class_of_its_snippet():
    cas = np.array([[0.1, 0.7, 0.2], [0.5, 0.2, 0.3], [0.2, 0.2, 0.6]])
    assert classify_seconds(cas, 0.0, 1.0, 3).tolist() == [1, 0, 2]
    assert classify_seconds(np.log(cas), 0.0, 1.0, 3).tolist() == [1, 0, 2]
    assert classify_seconds(np.full((2, 3), 0.5), 0.0, 1.0, 2).tolist() == [0, 0]  # ties: the first


def test_other_snippets_answer_over_the_middle_and_the_last_for_what_is_missing():
    cas = np.eye(8)  # snippet i names class i
    # Middles at 0.5, 1.5, ...; snippets of 0.64 s hold [0.64 i, 0.64 (i + 1)).
    expected = [int((j + 0.5) / 0.64) for j in range(5)]
    assert classify_seconds(cas, 0.0, 0.64, 5).tolist() == expected == [0, 2, 3, 5, 7]
    assert classify_seconds(cas, 0.0, 0.64, 8).tolist() == [0, 2, 3, 5, 7, 7, 7, 7]
    assert classify_seconds(cas, 0.6, 1.0, 3).tolist() == [0, 0, 1]


AVE = Protocol("ave", "AVE", (), (), "", task="events", videos=2)


def test_as_many_seconds_as_the_protocol_says(tmp_path):
    judged = judge(truth(tmp_path), replace(AVE, seconds=4), {"v1": V1[:4], "v2": EMPTY[:4]})
    assert judged.labels.tolist() == [[2, 0, 0, 2], [0, 0, 0, 0]]
    assert judged.share_right.tolist() == [1, 0]


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
