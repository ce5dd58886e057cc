"""From sequences to segments: thresholds, runs, contrast and suppression."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from wstal.localize.scores import softmax
from wstal.localize.segments import (
    NmsSettings,
    ThresholdSettings,
    hard_nms,
    kept_classes,
    outer_inner,
    overlap,
    runs,
    runs_above,
    soft_nms,
    suppress_overlaps,
)


def test_classes_below_the_threshold_fall_away_unless_all_do():
    assert kept_classes(np.array([0.1, 0.2, 0.7]), 0.2).tolist() == [1, 2]
    assert kept_classes(np.array([0.1, 0.15, 0.12]), 0.2).tolist() == [1]


def test_softmax_is_over_the_last_axis_and_survives_large_values():
    x = np.log(np.array([[1.0, 3.0], [2.0, 2.0]])) + np.array([[0.0], [1e4]])
    assert softmax(x).tolist() == [pytest.approx([0.25, 0.75]), pytest.approx([0.5, 0.5])]
    assert softmax(np.zeros((1, 2), np.float16)).dtype == np.float64


def test_runs_are_maximal_and_half_open():
    active = np.array([1, 1, 0, 1, 0, 0, 1, 1, 1], bool)
    assert runs(active).tolist() == [[0, 2], [3, 4], [6, 9]]
    assert runs(np.zeros(4, bool)).shape == (0, 2)
    assert runs(np.ones(4, bool)).tolist() == [[0, 4]]
    assert runs(np.zeros(0, bool)).shape == (0, 2)


def test_thresholds_are_strict_and_pooled_with_duplicates():
    sequence = np.array([0.1, 0.5, 0.5, 0.2])
    assert runs_above(sequence, np.array([0.2, 0.3, 0.5])).tolist() == [[1, 3], [1, 3]]
    assert runs_above(sequence, np.array([])).shape == (0, 2)


def test_a_lone_first_snippet_is_skipped_only_on_request():
    sequence = np.array([0.9, 0.1, 0.3])
    grid = np.array([0.2, 0.5])
    assert runs_above(sequence, grid).tolist() == [[0, 1], [2, 3], [0, 1]]
    assert runs_above(sequence, grid, skip_lone_first=True).tolist() == [[0, 1], [2, 3]]


def test_runs_that_are_too_short_fall_away():
    sequence = np.array([0.9, 0.1, 0.9, 0.9, 0.1, 0.3, 0.3, 0.3])
    grid = np.array([0.2, 0.5])
    assert runs_above(sequence, grid, shortest=2).tolist() == [[2, 4], [5, 8], [2, 4]]
    assert runs_above(sequence, grid, shortest=3).tolist() == [[5, 8]]


def test_thresholds_include_both_ends():
    assert ThresholdSettings(0.1, 0.9, 3).grid().tolist() == pytest.approx([0.1, 0.5, 0.9])


def by_hand(scores, start, stop, margin):
    inside = list(range(start, stop))
    reach = margin * len(inside)
    first = max(0, int(inside[0] - reach))
    last = min(len(scores) - 1, int(inside[-1] + reach))
    outside = [*range(first, start), *range(stop, last + 1)]
    return scores[inside].mean(0) - (scores[outside].mean(0) if outside else 0)


def test_matches_the_definition_on_random_segments():
    rng = np.random.default_rng(0)
    for margin in (0.25, 0.2, 1.0):
        scores = rng.normal(size=(37, 3))
        ends = np.sort(rng.choice(38, (60, 2)), axis=1)
        segments = ends[ends[:, 0] < ends[:, 1]]
        expected = [by_hand(scores, a, b, margin) for a, b in segments]
        np.testing.assert_allclose(outer_inner(scores, segments, margin), expected, atol=1e-12)


def test_without_surroundings_the_outside_counts_as_zero():
    scores = np.full((5, 1), 2.0)
    assert outer_inner(scores, np.array([[0, 5]]), 0.25).tolist() == [[2.0]]
    assert outer_inner(scores, np.array([[2, 3]]), 0.0).tolist() == [[2.0]]


def test_no_segments():
    assert outer_inner(np.zeros((5, 2)), np.empty((0, 2), int), 0.25).shape == (0, 2)


def fixed_by_hand(scores, start, stop, margin):
    """As if zeros went on beyond both ends."""
    pad = len(scores)
    zeros = np.zeros((pad, scores.shape[1]))
    padded = np.concatenate([zeros, scores, zeros])
    return by_hand(padded, start + pad, stop + pad, margin)


def test_a_fixed_number_of_points_counts_what_lies_beyond_the_video_as_zero():
    rng = np.random.default_rng(1)
    scores = rng.normal(size=(30, 2))
    ends = np.sort(rng.choice(31, (80, 2)), axis=1)
    segments = ends[ends[:, 0] < ends[:, 1]]
    expected = [fixed_by_hand(scores, a, b, 0.2) for a, b in segments]
    found = outer_inner(scores, segments, 0.2, "fixed")
    np.testing.assert_allclose(found, expected, atol=1e-12)
    within = (segments[:, 0] > 6) & (segments[:, 1] < 24)
    np.testing.assert_allclose(found[within], outer_inner(scores, segments, 0.2)[within])


def test_at_the_start_of_the_video_half_of_the_surroundings_are_missing():
    """Ten snippets from the first on: two exist on the right, two would on the left."""
    scores = np.array([[1.0]] * 10 + [[0.5]] * 10)
    segment = np.array([[0, 10]])
    assert outer_inner(scores, segment, 0.2).item() == pytest.approx(1 - 0.5)
    assert outer_inner(scores, segment, 0.2, "fixed").item() == pytest.approx(1 - 1.0 / 4)


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
    nms = NmsSettings(kind="hard", sigma=0.3, iou=0.4, plus_one=False)
    order, kept = suppress_overlaps(segments, scores, nms)
    assert order.tolist() == [1, 2] and kept.tolist() == [0.9, 0.4]
    order, decayed = suppress_overlaps(segments, scores, replace(nms, kind="soft"))
    expected = soft_nms(segments, scores, 0.3)
    assert order.tolist() == expected[0].tolist() and decayed.tolist() == expected[1].tolist()
    with_one = replace(nms, iou=0.54, plus_one=True)  # 6 shared of 11 beside 5 of 10
    assert suppress_overlaps(segments, scores, with_one)[0].tolist() == [1, 2]
    without = replace(with_one, plus_one=False)
    assert suppress_overlaps(segments, scores, without)[0].tolist() == [1, 0, 2]
