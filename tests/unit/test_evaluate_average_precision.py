"""Average precision by hand."""

import numpy as np
from wstal.evaluate.average_precision import class_mean, interpolated_ap, ranked_ap

HITS = np.array([[1, 0, 1, 0, 0, 1], [0, 0, 0, 0, 0, 0]], dtype=bool)


def test_interpolated_by_hand():
    # Precision at hits 1, 2/3, 1/2; of 4 instances 3 are found.
    np.testing.assert_allclose(interpolated_ap(HITS, 4), [(1 + 2 / 3 + 1 / 2) / 4, 0])
    assert np.isnan(interpolated_ap(HITS, 0)).all()


def test_neutral_misses_vanish_and_neutral_hits_stay():
    neutral = np.array([1, 1, 0, 0, 1, 0], dtype=bool)
    kept = np.array([[1, 1, 0, 1]], dtype=bool)
    np.testing.assert_allclose(interpolated_ap(HITS[:1], 4, neutral), interpolated_ap(kept, 4))


def test_normalizer_rescales_hits_in_the_precision_alone():
    # N = 8 for 4 instances: hits count double; precision 2/2, 4/(4+1), 6/(6+3).
    expected = (1 + 4 / 5 + 6 / 9) / 4
    np.testing.assert_allclose(interpolated_ap(HITS[:1], 4, normalizer=8), [expected])


def test_ranked_is_the_mean_precision_at_hits():
    np.testing.assert_allclose(ranked_ap(HITS[0], 3), (1 + 2 / 3 + 3 / 6) / 3)
    # A later better precision does not lift an earlier one: 1/2 and 2/3, not 2/3 twice.
    np.testing.assert_allclose(ranked_ap(np.array([False, True, True]), 2), (1 / 2 + 2 / 3) / 2)
    assert np.isnan(ranked_ap(HITS[0], 0))


def test_class_mean_leaves_nan_out():
    values = np.array([[1, np.nan, 0], [np.nan] * 3])
    np.testing.assert_array_equal(class_mean(values), [0.5, np.nan])
