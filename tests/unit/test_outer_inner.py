import numpy as np
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
