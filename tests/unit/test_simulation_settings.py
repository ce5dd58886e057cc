from dataclasses import dataclass

import pytest
from wstal.data.simulation.settings import read_settings
from wstal.errors import WstalError


@dataclass(frozen=True)
class Noise:
    spread: float
    kinds: int


def test_settings_become_their_dataclass():
    assert read_settings(Noise, {"noise": {"spread": 0.5, "kinds": 3}}, "noise") == Noise(0.5, 3)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"spread": 0.5, "kind": 3}, r"simulate.noise .* unknown \['kind'\], missing \['kinds'\]"),
        ({"spread": -0.5, "kinds": 3}, r"simulate.noise .* \['spread'\] must not be negative"),
    ],
)
def test_mistakes_are_named(given, message):
    with pytest.raises(WstalError, match=message):
        read_settings(Noise, {"noise": given}, "noise")
