import numpy as np
import pytest
from wstal.localize.nms import hard_nms, overlap, soft_nms, suppress_overlaps


def test_overlap_with_and_without_the_extra_snippet():
    others = np.array([[0.0, 10.0], [5.0, 15.0], [10.0, 20.0], [30.0, 40.0]])
    assert overlap(np.array([0.0, 10.0]), others).tolist() == pytest.approx([1, 1 / 3, 0, 0])
    with_one = overlap(np.array([0.0, 10.0]), others, 1.0)
    assert with_one.tolist() == pytest.approx([1, 6 / 16, 1 / 21, 0])


def test_arrays_of_the_official_code(reference):
    z = np.load(reference / "fixtures/co2net/proposals.npz")
    given = z["snms_in"]  # class, score, start, end
    order, scores = soft_nms(given[:, 2:], given[:, 1], 0.3, extra=1.0)
    np.testing.assert_allclose(given[order, 2:], z["snms_gaussian"][:, 2:], atol=1e-9)
    np.testing.assert_allclose(scores, z["snms_gaussian"][:, 1], atol=1e-9)
    kept = hard_nms(given[:, 2:], given[:, 1], 0.55, extra=1.0)
    np.testing.assert_allclose(given[kept, 2:], z["nms_055"][:, 2:])


def test_soft_suppression_by_hand():
    segments = np.array([[0.0, 10.0], [0.0, 10.0], [20.0, 30.0]])
    order, scores = soft_nms(segments, np.array([0.5, 0.9, 0.7]), sigma=0.5)
    assert order.tolist() == [1, 2, 0]
    assert scores.tolist() == pytest.approx([0.9, 0.7, 0.5 * np.exp(-2)])


def test_a_negative_score_is_raised_by_its_decay():
    segments = np.array([[0.0, 10.0], [0.0, 10.0]])
    _, scores = soft_nms(segments, np.array([0.5, -0.4]), sigma=0.3)
    assert -0.4 < scores[1] < 0


def test_inputs_are_left_alone_and_nothing_is_dropped():
    segments, scores = np.array([[0.0, 4.0], [1.0, 5.0]]), np.array([0.2, 0.9])
    order, _ = soft_nms(segments, scores)
    assert sorted(order) == [0, 1] and scores.tolist() == [0.2, 0.9]
    assert segments.tolist() == [[0.0, 4.0], [1.0, 5.0]]
    assert soft_nms(np.empty((0, 2)), np.empty(0))[0].size == 0


def test_hard_suppression_keeps_what_overlaps_no_more_than_the_limit():
    segments = np.array([[0.0, 10.0], [0.0, 5.0], [8.0, 20.0]])
    assert hard_nms(segments, np.array([0.5, 0.9, 0.4]), 0.5).tolist() == [1, 0, 2]
    assert hard_nms(segments, np.array([0.5, 0.9, 0.4]), 0.4).tolist() == [1, 2]


def test_the_configured_suppression_is_the_one_that_runs():
    segments = np.array([[0.0, 10.0], [0.0, 5.0], [8.0, 20.0]])
    scores = np.array([0.5, 0.9, 0.4])
    nms = {"kind": "hard", "sigma": 0.3, "iou": 0.4, "plus_one": False}
    order, kept = suppress_overlaps(segments, scores, nms)
    assert order.tolist() == [1, 2] and kept.tolist() == [0.9, 0.4]
    order, decayed = suppress_overlaps(segments, scores, {**nms, "kind": "soft"})
    expected = soft_nms(segments, scores, 0.3)
    assert order.tolist() == expected[0].tolist() and decayed.tolist() == expected[1].tolist()
    with_one = {**nms, "iou": 0.54, "plus_one": True}  # 6 shared of 11 beside 5 of 10
    assert suppress_overlaps(segments, scores, with_one)[0].tolist() == [1, 2]
    assert suppress_overlaps(segments, scores, {**with_one, "plus_one": False})[0].tolist() == [
        1,
        0,
        2,
    ]
