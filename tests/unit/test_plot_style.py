import matplotlib.pyplot as plt
import pytest
from wstal.plots.style import save


def test_figures_carry_no_date_and_are_closed(tmp_path):
    before = plt.get_fignums()
    figure, axis = plt.subplots()
    axis.plot([0, 1])
    save(figure, tmp_path / "deep/a.svg")
    text = (tmp_path / "deep/a.svg").read_text()
    assert "<svg" in text and "<dc:date>" not in text
    assert plt.get_fignums() == before


def test_an_unknown_format_leaves_nothing_behind(tmp_path):
    figure, _ = plt.subplots()
    with pytest.raises(ValueError, match="not supported"):
        save(figure, tmp_path / "a.nosuch")
    assert list(tmp_path.iterdir()) == []
    plt.close(figure)
