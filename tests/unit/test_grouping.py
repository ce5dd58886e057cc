import numpy as np
from wstal.localize.grouping import runs, runs_above


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
