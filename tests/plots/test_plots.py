"""Figures: they show what their tables and scores hold, and equal figures are equal files."""

from __future__ import annotations

from xml.etree import ElementTree

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from evaluation_cases import PERFECT, PROTOCOL, detections, truth
from wstal.evaluate.diagnosis import diagnose
from wstal.evaluate.protocols import prepare
from wstal.localize.scores import Scores, VideoScores
from wstal.plots.diagnosis import FIGURES, plot_comparison
from wstal.plots.over_time import make_strip, plot_strips, plot_timeline, typical_videos
from wstal.plots.style import save
from wstal.plots.sweep import plot_sweep

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


TRUTH = pd.DataFrame(
    [
        ("a", 0.0, 9.0, "run"),
        ("b", 1.0, 4.0, "run"),
        ("c", 0.0, 1.0, "jump"),
        ("d", 2.0, 5.0, "jump"),
    ],
    columns=["video_id", "t_start", "t_end", "label"],
)


def scores(level, **grid):
    own = VideoScores(np.zeros((16, 3)), np.full(16, level), np.zeros(2))
    return Scores(classes=["run", "jump"], videos=dict.fromkeys("abcd", own), **grid)


def test_videos_are_chosen_by_annotated_share_and_id():
    durations = dict.fromkeys("abcd", 10.0)
    assert typical_videos(TRUTH, durations) == ["b", "d"]
    assert typical_videos(TRUTH, durations, 4) == ["b", "d", "c", "a"]
    assert typical_videos(TRUTH, {"a": 10.0}) == ["a"]
    assert typical_videos(TRUTH, durations, 3, ["jump", "run", "swim"]) == ["d", "b", "c"]


def test_each_run_has_a_strip_of_its_own_attention():
    figure = plot_strips({"add": scores(0.2), "ccm": scores(0.9)}, TRUTH, ["b", "d"], "demo data")
    names = [axis.get_ylabel() for axis in figure.axes]
    assert names == ["annotated", "add", "ccm"] * 2
    strips = [axis.images[0] for axis in figure.axes if axis.images]
    assert [float(strip.get_array()[0, 0]) for strip in strips] == [0.2, 0.9, 0.2, 0.9]
    assert strips[0].get_clim() == (0, 1) and figure.get_suptitle() == "demo data"
    assert figure.axes[0].get_title(loc="left") == "b: run"


def test_a_strip_lies_where_its_snippets_do():
    late, early = scores(0.2, t0=0.5, step=0.5), scores(0.9, t0=0.0, step=0.25)
    annotated, *strips = plot_strips({"late": late, "early": early}, TRUTH, ["b"]).axes
    assert [tuple(axis.images[0].get_extent()) for axis in strips] == [
        (0.5, 8.5, 0, 1),
        (0.0, 4.0, 0, 1),
    ]
    assert {axis.get_xlim() for axis in (annotated, *strips)} == {(0.0, 8.5)}


def test_a_strip_may_show_the_probability_of_the_annotated_classes():
    own = VideoScores(np.array([[0.2, 0.3, 0.5]]), np.array([0.9]), np.zeros(2))
    given = Scores(["run", "jump"], {"v": own}, "probability")
    assert make_strip(given, "v").tolist() == [0.9]
    assert make_strip(given, "v", {"jump"}).tolist() == [0.3]
    assert make_strip(given, "v", {"jump", "run"}).tolist() == [0.5]
    logits = Scores(["run", "jump"], {"v": own}, "logits")
    expected = np.exp(0.3) / np.exp([0.2, 0.3, 0.5]).sum()
    np.testing.assert_allclose(make_strip(logits, "v", {"jump"}), [expected])
    shown = plot_strips({"x": scores(0.2)}, TRUTH, ["b"], shows="class").axes[1].images[0]
    np.testing.assert_allclose(shown.get_array(), 1 / 3)


def test_a_strip_may_show_the_scores_times_the_attention():
    cas = np.array([[4.0, 0, 9], [8, 1, 9], [2, -3, 9]])
    own = VideoScores(cas, np.array([0.5, 0.25, 0.5]), np.zeros(2))
    given = Scores(["run", "jump"], {"v": own}, "logits")
    assert make_strip(given, "v", {"run"}, attended=True).tolist() == [1, 1, 0.5]
    assert make_strip(given, "v", {"jump"}, attended=True).tolist() == [0, 1, 0]
    assert make_strip(given, "v", {"jump", "run"}, attended=True).tolist() == [1, 1, 0.5]


def test_a_sweep_has_a_point_for_each_value_in_order():
    rows = [
        {"run": run, "metric": "mAP@0.1:0.7", "mean": mean, "sd": sd, "n": 3}
        for run, mean, sd in (("m-a", 50.0, 2.0), ("m", 40.0, float("nan")))
    ]
    axis = plot_sweep([0.1, 0.02], rows, "weight of a loss", "demo data").axes[0]
    assert [label.get_text() for label in axis.get_xticklabels()] == ["0.02\ndefault", "0.1\na"]
    line, _, (bars,) = axis.containers[0]
    assert line.get_ydata().tolist() == [40, 50]
    assert [segment[:, 1].tolist() for segment in bars.get_segments()] == [[40, 40], [48, 52]]
    assert axis.get_xlabel() == "weight of a loss" and axis.get_title() == "demo data"


def test_predicted_segments_of_the_annotated_classes_lie_below_a_strip():
    rows = [("b", 1.0, 3.0, "run", 0.8), ("b", 5.0, 6.0, "jump", 0.9), ("d", 2.0, 4.0, "jump", 1.0)]
    found = pd.DataFrame(rows, columns=[*TRUTH.columns, "score"])
    runs = {"add": scores(0.2), "ccm": scores(0.9)}
    drawn = {"add": found, "ccm": found[:0]}
    figure = plot_strips(runs, TRUTH, ["b"], detections=drawn, remarks={"b": "AP 50 → 20"})
    annotated, add, ccm = figure.axes
    assert annotated.get_title(loc="left") == "b: run · AP 50 → 20"
    assert [patch.get_x() for patch in add.patches] == [1.0] and not ccm.patches
    assert add.patches[0].get_width() == 2.0 and add.get_ylim() == ccm.get_ylim() == (-0.6, 1)


def make_scores(length=20):
    ramp = np.linspace(0, 1, length)
    own = VideoScores(
        np.stack([ramp, 1 - ramp, ramp * 0], 1), ramp, np.array([0.9, 0.1]), {"rgb": ramp}
    )
    return Scores(classes=["run", "jump"], videos={"v": own})


def frames():
    truth = pd.DataFrame(
        [("v", 1.0, 3.0, "run"), ("w", 0.0, 9.0, "jump")],
        columns=["video_id", "t_start", "t_end", "label"],
    )
    found = truth.assign(score=[0.5, 0.9])
    return truth, found


def test_a_video_shows_its_own_classes_and_spans_its_own_time(tmp_path):
    truth, found = frames()
    figure = plot_timeline("v", make_scores(), truth, found, "demo data")
    labels = [axis.get_ylabel().split("\n")[0] for axis in figure.axes]
    assert labels == ["run", "attention"]
    assert np.allclose(figure.axes[-1].get_xlim(), (0, 20 * 0.64))
    save(figure, tmp_path / "v.svg")
    text = (tmp_path / "v.svg").read_text()
    assert "demo data" in text and "P = 0.90" in text


def test_dollars_and_line_breaks_in_a_name_are_letters(tmp_path):
    truth, found = frames()
    save(plot_timeline("v", make_scores(), truth, found, "a $x_$ \n$"), tmp_path / "v.svg")
    assert "a $x_$" in (tmp_path / "v.svg").read_text()


def test_equal_figures_are_equal_files_and_empty_videos_draw(tmp_path):
    truth, found = frames()
    for name in ("a", "b"):
        save(plot_timeline("v", make_scores(), truth[:0], found[:0]), tmp_path / f"{name}.svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_the_axis_covers_attention_beyond_zero_and_one():
    truth, found = frames()
    scores = make_scores()
    assert plot_timeline("v", scores, truth, found).axes[-1].get_ylim() == (0, 1)
    scores.videos["v"].attentions["rgb"] = np.linspace(-4, 9, 20)
    assert plot_timeline("v", scores, truth, found).axes[-1].get_ylim() == (-4, 9)


def test_names_with_control_characters_and_dollars_make_a_valid_svg(tmp_path):
    name = "a\x00\x01\x1b[31m$^x$<b>\ufffe&"
    figure, axis = plt.subplots()
    axis.bar([name], [1], label=name)
    axis.set_title(name)
    axis.legend()
    save(figure, tmp_path / "a.svg")
    texts = [element.text for element in ElementTree.parse(tmp_path / "a.svg").iter()]
    shown = "a\ufffd\ufffd\ufffd[31m$^x$<b>\ufffd&"
    assert texts.count(shown) == 3
