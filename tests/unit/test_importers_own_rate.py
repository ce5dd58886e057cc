"""Rows at each video's own frame rate, chosen by time for the common grid."""

import numpy as np
import pytest
from wstal.features.importers.own_rate import common_rows, own_rate

DENSE = {"fps": 30, "snippet": 16, "stride": 4, "rates": [24, 25, 30]}


@pytest.mark.parametrize(("fps", "seconds"), [(24, 90.0), (25, 61.3), (30, 200.0), (30, 7.0)])
def test_the_rate_follows_from_rows_and_duration(fps, seconds):
    frames = int(fps * seconds)
    rows = (frames - 16) // 4 + 1
    assert own_rate(rows, None, seconds, DENSE) == (fps, "")
    assert own_rate(rows, frames, seconds, DENSE) == (fps, "")


def test_what_is_not_known_is_said():
    rate, note = own_rate(100, None, None, DENSE)
    assert rate == 30 and "not known" in note
    rate, note = own_rate(1000, 4016, 200.0, DENSE)
    assert rate == 30 and "20.08 frames per second fit none of 24, 25, 30" in note
    assert own_rate(1000, 4000, 200.0, DENSE | {"rates": []}) == (20.0, "")
    assert own_rate(1000, 4000, 200.0, DENSE | {"rates": None}) == (30, "")


def test_rows_keep_their_time_on_the_common_grid():
    index = common_rows(500, 25.0, DENSE)
    assert len(index) == 600 and index[0] == 0 and index[-1] <= 499
    centres = (np.arange(600) * 4 + 8) / 30
    own = (index * 4 + 8) / 25
    inside = index < 499
    assert np.abs(own - centres)[inside].max() <= 2 / 25 + 0.03
    np.testing.assert_array_equal(common_rows(7, 30.0, DENSE), np.arange(7))
