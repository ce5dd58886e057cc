"""Figures of the diagnosis show what the tables hold."""

import pytest
from evaluation_cases import PERFECT, PROTOCOL, detections, truth
from wstal.evaluate.diagnosis import diagnose
from wstal.evaluate.protocols import prepare
from wstal.plots.diagnosis import FIGURES
from wstal.plots.style import save


@pytest.fixture
def tables(tmp_path):
    """The tables of a perfect run with one false alarm."""
    found = detections([*PERFECT, ("v1", 15.0, 19.0, "dive", 0.1)])
    return diagnose(prepare(truth(tmp_path), found, PROTOCOL), PROTOCOL, {"v1": 20.0, "v2": 10.0})


@pytest.mark.parametrize(
    "name, words",
    [
        ("false_positives", ["background", "true positive", "share (%)"]),
        ("error_impact", ["wrong label", "on top of 100.0"]),
        ("sensitivity", ["length", "share of the video (%)", "missed (%)"]),
        ("per_class", ["dive (2)", "jump (1)", "AP (%)"]),
    ],
)
def test_every_table_has_its_figure_with_its_words_and_note(tmp_path, tables, name, words):
    assert set(FIGURES) == set(tables)
    save(FIGURES[name](tables[name], "small · made up"), tmp_path / f"{name}.svg")
    text = (tmp_path / f"{name}.svg").read_text()
    for word in [*words, "small · made up"]:
        assert word in text, word


def test_bars_are_as_long_as_the_numbers(tables):
    axis = FIGURES["per_class"](tables["per_class"]).axes[0]
    assert [bar.get_width() for bar in axis.patches] == [100, 100]
    stacked = FIGURES["false_positives"](tables["false_positives"]).axes[0]
    top = max(bar.get_y() + bar.get_height() for bar in stacked.patches)
    assert top == pytest.approx(100)
