import numpy as np
import pandas as pd
from wstal.localize.scores import Scores, VideoScores
from wstal.plots.style import save
from wstal.plots.timeline import plot_timeline


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


def test_equal_figures_are_equal_files_and_empty_videos_draw(tmp_path):
    truth, found = frames()
    for name in ("a", "b"):
        save(plot_timeline("v", make_scores(), truth[:0], found[:0]), tmp_path / f"{name}.svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_attention_beyond_a_share_stays_in_sight():
    truth, found = frames()
    scores = make_scores()
    assert plot_timeline("v", scores, truth, found).axes[-1].get_ylim() == (0, 1)
    scores.videos["v"].attentions["rgb"] = np.linspace(-4, 9, 20)
    assert plot_timeline("v", scores, truth, found).axes[-1].get_ylim() == (-4, 9)
