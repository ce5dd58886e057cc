import numpy as np
import pytest
from wstal.errors import WstalError
from wstal.localize.outer_inner import outer_inner


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
    assert outer_inner(scores, np.array([[0, 5]])).tolist() == [[2.0]]
    assert outer_inner(scores, np.array([[2, 3]]), 0.0).tolist() == [[2.0]]


def test_no_segments():
    assert outer_inner(np.zeros((5, 2)), np.empty((0, 2), int)).shape == (0, 2)


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
    with pytest.raises(WstalError, match="not one of existing, fixed"):
        outer_inner(scores, segment, 0.2, "all")
