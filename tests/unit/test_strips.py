import numpy as np
import pandas as pd
from wstal.localize.scores import Scores, VideoScores
from wstal.plots.strips import plot_strips, strip, typical_videos

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
    assert strip(given, "v").tolist() == [0.9]
    assert strip(given, "v", {"jump"}).tolist() == [0.3]
    assert strip(given, "v", {"jump", "run"}).tolist() == [0.5]
    logits = Scores(["run", "jump"], {"v": own}, "logits")
    expected = np.exp(0.3) / np.exp([0.2, 0.3, 0.5]).sum()
    np.testing.assert_allclose(strip(logits, "v", {"jump"}), [expected])
    shown = plot_strips({"x": scores(0.2)}, TRUTH, ["b"], shows="class").axes[1].images[0]
    np.testing.assert_allclose(shown.get_array(), 1 / 3)
