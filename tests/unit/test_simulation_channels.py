"""Channels of simulated features, the numbers they are made of and the settings they obey."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest
from wstal.data.simulation.channels import Channels, StreamChannels
from wstal.data.simulation.seeding import GRID, generator, on_grid
from wstal.data.simulation.settings import read_settings
from wstal.errors import WstalError

PLAIN = Channels(0.2, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


def test_without_disturbance_a_channel_is_the_rectified_sum_of_its_concepts() -> None:
    channels = StreamChannels("rgb", 10, 64, PLAIN, 3)
    assert (channels.excitation > 0).mean() == pytest.approx(0.2, abs=0.05)
    concepts = on_grid(generator(0, "test").standard_normal((7, 10)))
    expected = (concepts @ channels.excitation).clip(0)
    np.testing.assert_array_equal(channels.features("v", concepts), expected)


def test_videos_and_streams_differ_in_gain_and_shift() -> None:
    disturbed = Channels(0.2, 0.3, 0.0, 0.0, 0.1, 0.2, 0.1)
    ones = np.ones((4, 10))
    rgb, flow = (StreamChannels(s, 10, 64, disturbed, 3) for s in ("rgb", "flow"))
    assert not np.allclose(rgb.features("a", ones), rgb.features("b", ones))
    assert not np.allclose(rgb.excitation, flow.excitation)
    np.testing.assert_allclose(rgb.features("a", ones), rgb.features("a", ones)[:1].repeat(4, 0))


def test_sums_on_the_grid_are_exact_in_any_order() -> None:
    rng = generator(1, "grid")
    a, b = on_grid(rng.standard_normal((3, 200))), on_grid(rng.standard_normal((200, 2)))
    exact = [
        [sum(Fraction(x) * Fraction(y) for x, y in zip(row, column, strict=True)) for column in b.T]
        for row in a.tolist()
    ]
    assert (a @ b).tolist() == [[float(x) for x in row] for row in exact]
    assert np.all(a * GRID == np.round(a * GRID))


def test_a_purpose_has_its_own_numbers() -> None:
    first = generator(5, "video", "noise").random(4)
    np.testing.assert_array_equal(first, generator(5, "video", "noise").random(4))
    for other in (generator(6, "video", "noise"), generator(5, "video", "concepts")):
        assert not np.array_equal(first, other.random(4))


@dataclass(frozen=True)
class Pair:
    a: float
    b: float


def test_settings_are_read_or_named() -> None:
    assert read_settings(Pair, {"pair": {"a": 1, "b": 2}}, "pair") == Pair(1, 2)
    for given, message in (
        ({"a": 1}, "missing .*b"),
        ({"a": 1, "b": 2, "c": 3}, "unknown .*c"),
        ({"a": 1, "b": -2}, "b.* must not be negative"),
    ):
        with pytest.raises(WstalError, match=f"simulate.pair.*{message}"):
            read_settings(Pair, {"pair": given}, "pair")
