import numpy as np
import pytest
from wstal.errors import WstalError
from wstal.localize.upsampling import upsampled


def test_a_snippets_value_stands_where_it_starts():
    assert upsampled(np.array([0.0, 1.0, 3.0]), 2).tolist() == [0, 0.5, 1, 2, 3, 3]
    assert upsampled(np.array([0.0, 4.0]), 4)[:5].tolist() == [0, 1, 2, 3, 4]


def test_or_at_its_middle():
    found = upsampled(np.array([0.0, 1.0, 3.0]), 2, "centre")
    assert found.tolist() == [0, 0.25, 0.75, 1.5, 2.5, 3]
    assert upsampled(np.array([1.0, 1.0, 0.0]), 20, "centre").sum() == pytest.approx(40)


def test_one_point_per_snippet_changes_nothing():
    values = np.random.default_rng(0).random(9).astype(np.float32)
    for align in ("start", "centre"):
        assert upsampled(values, 1, align).tolist() == values.astype(float).tolist()
        assert upsampled(values[:1], 3, align).tolist() == [values[0]] * 3


def test_other_alignments_are_refused():
    with pytest.raises(WstalError, match="'end' is not one of start, centre"):
        upsampled(np.zeros(3), 2, "end")
