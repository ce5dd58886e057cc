"""The picture of two feature files side by side."""

from wstal.plots.feature_comparison import plot_comparison
from wstal.plots.style import save

ROWS = [
    {
        "rows_a": 100,
        "rows_b": 120,
        "match_rgb": 0.9,
        "match_flow": -0.5,
        "causes": "frame rate; ReLU",
    },
    {"rows_a": 50, "rows_b": 60, "match_rgb": 0.8, "match_flow": 0.7, "causes": "frame rate"},
    {"rows_a": 10, "rows_b": 10, "causes": "different networks"},
]


def test_every_video_and_cause_is_drawn(tmp_path):
    figure = plot_comparison(ROWS, ("ours", "theirs"))
    lengths, likeness, causes = figure.axes
    assert lengths.collections[0].get_offsets().tolist() == [[100, 120], [50, 60], [10, 10]]
    assert [text.get_text() for text in likeness.get_legend().get_texts()] == ["rgb", "flow"]
    assert [bar.get_width() for bar in causes.patches] == [1, 1, 2]
    save(figure, tmp_path / "c.svg")
    assert "ours" in (tmp_path / "c.svg").read_text()


def test_files_of_other_widths_have_lengths_only():
    figure = plot_comparison(ROWS[2:], ("a", "b"))
    assert figure.axes[1].get_legend() is None
