import numpy as np
from wstal.localize.cavf import class_sequences, classes_above_mean, localize
from wstal.localize.scores import Scores, VideoScores

SETTINGS = {
    "thresholds": {"start": 0.5, "stop": 0.5, "num": 1},
    "shortest": 2,
    "video_weight": 0.7,
    "nms": None,
}
FIRST = [0.1, 0.6, 0.8, 0.2, 0.7, 0.1, 0.6, 0.7]


def scores(first=FIRST, video_score=(0.8, 0.1)):
    first = np.array(first)
    rest = 1 - first
    cas = np.stack([first, 0.25 * rest, 0.75 * rest], 1)
    video = VideoScores(cas, 1 - cas[:, -1], np.array(video_score))
    return Scores(["a", "b"], {"v": video}, "probability", step=2.0, t0=1.0)


def test_runs_above_half_way_score_their_peak_and_the_video():
    found = localize(scores(), SETTINGS)
    # half-way between .1 and .8 is .45; the lone snippet 4 is too short
    assert found[["t_start", "t_end"]].to_numpy().tolist() == [[3.0, 7.0], [13.0, 17.0]]
    assert found["label"].tolist() == ["a", "a"]
    np.testing.assert_allclose(found["score"], [0.8 + 0.56, 0.7 + 0.56])


def test_classes_below_the_mean_are_dropped():
    assert classes_above_mean(np.array([0.8, 0.1, 0.45])).tolist() == [0, 2]
    assert classes_above_mean(np.full(10, 0.1)).tolist() == list(range(10))
    assert set(localize(scores(video_score=(0.4, 0.4)), {**SETTINGS, "shortest": 1})["label"]) == {
        "a",
        "b",
    }


def test_several_thresholds_end_in_suppression():
    nms = {"kind": "hard", "iou": 0.3, "sigma": 0.3, "plus_one": False}
    grid = {"start": 0.2, "stop": 0.8, "num": 3}
    many = localize(scores(), {**SETTINGS, "thresholds": grid})
    kept = localize(scores(), {**SETTINGS, "thresholds": grid, "nms": nms})
    assert len(many) > len(kept) == 2 and kept["score"].is_monotonic_decreasing


def test_an_attention_of_one_leaves_what_the_classes_say():
    video = scores().videos["v"]
    np.testing.assert_allclose(class_sequences(video), video.cas[:, :-1], atol=1e-12)
    flat = VideoScores(video.cas, np.ones(8), video.video_score)
    np.testing.assert_allclose(class_sequences(flat).sum(1), 1)


def test_all_background_is_no_detection():
    cas = np.zeros((4, 3))
    cas[:, -1] = 1
    empty = Scores(["a", "b"], {"v": VideoScores(cas, np.zeros(4), np.zeros(2))}, "probability")
    assert localize(empty, SETTINGS).empty
