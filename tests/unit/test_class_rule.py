import numpy as np
import pytest
from wstal.localize.class_rule import kept_classes, softmax


def test_classes_below_the_threshold_fall_away_unless_all_do():
    assert kept_classes(np.array([0.1, 0.2, 0.7]), 0.2).tolist() == [1, 2]
    assert kept_classes(np.array([0.1, 0.15, 0.12]), 0.2).tolist() == [1]


def test_softmax_is_over_the_last_axis_and_survives_large_values():
    x = np.log(np.array([[1.0, 3.0], [2.0, 2.0]])) + np.array([[0.0], [1e4]])
    assert softmax(x).tolist() == [pytest.approx([0.25, 0.75]), pytest.approx([0.5, 0.5])]
    assert softmax(np.zeros((1, 2), np.float16)).dtype == np.float64
