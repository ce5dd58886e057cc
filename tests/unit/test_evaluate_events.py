"""Per-second accuracy, and AVE's majority baseline from its real labels."""

import h5py
import numpy as np
import pytest
from evaluation_cases import frame
from wstal.errors import WstalError
from wstal.evaluate import event_accuracy
from wstal.evaluate.events import event_labels, second_answers


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
