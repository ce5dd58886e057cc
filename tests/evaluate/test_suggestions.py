"""What to annotate next: by hand on small numbers."""

import numpy as np
import pandas as pd
import pytest
from wstal.base.errors import WstalError
from wstal.evaluate.suggestions import (
    doubtful_segments,
    mean_probabilities,
    segment_probabilities,
    suggest_videos,
    uncertainty,
)
from wstal.localize.scores import Scores, VideoScores

CLASSES = ["jump", "wave"]


def scores(activation="logits", **videos):
    own = {
        name: VideoScores(np.array(cas, dtype=float), np.ones(len(cas)), np.ones(2), {})
        for name, cas in videos.items()
    }
    return Scores(CLASSES, own, activation=activation, step=0.5)


def test_uncertainty_is_the_mean_entropy_as_a_share_of_its_maximum():
    assert uncertainty(np.full((4, 3), 1 / 3)) == pytest.approx(1)
    assert uncertainty(np.eye(3)) == pytest.approx(0, abs=1e-9)
    half = np.array([[0.5, 0.5, 0], [1, 0, 0]])
    assert uncertainty(half) == pytest.approx(0.5 * np.log(2) / np.log(3))


def test_seeds_that_disagree_are_uncertain():
    sure = [scores(v=[[20, 0, 0]]), scores(v=[[0, 20, 0]])]
    assert mean_probabilities(sure, "v") == pytest.approx(np.array([[0.5, 0.5, 0]]), abs=1e-6)
    shares = scores("probability", v=[[0.2, 0.2, 0.4]])
    assert mean_probabilities([shares], "v") == pytest.approx(np.array([[0.25, 0.25, 0.5]]))


def test_videos_are_uncertain_and_unlike_those_before_them():
    probabilities = {
        "a": np.array([[0.5, 0.1, 0.4]]),
        "b": np.array([[0.5, 0.12, 0.38]]),  # as a, a little less sure
        "c": np.array([[0.1, 0.6, 0.3]]),
        "d": np.array([[0.98, 0.01, 0.01]]),
    }
    found = suggest_videos(probabilities, CLASSES, 3)
    assert found["video"].tolist() == ["b", "c", "a"]  # c is less like b than a is
    assert found["similarity"].iloc[0] == 0 and found["similarity"].iloc[2] > 0.99
    assert found["likely"].iloc[1] == "wave 0.60 jump 0.10"
    alone = suggest_videos(probabilities, CLASSES, 9, weight=1)
    assert alone["video"].tolist() == ["b", "a", "c", "d"] and alone["rank"].tolist() == [
        1,
        2,
        3,
        4,
    ]
    with pytest.raises(WstalError, match="is 2; expected 0 to 1"):
        suggest_videos(probabilities, CLASSES, 1, weight=2)


def test_a_segment_has_the_mean_probability_of_its_snippets():
    grid = scores(v=[[0, 0, 0]] * 4)
    probabilities = {"v": np.array([[0.1, 0.0, 0.9], [0.3, 0, 0.7], [0.5, 0, 0.5], [0.7, 0, 0.3]])}
    spans = [("v", 0.5, 1.5, "jump"), ("v", 1.5, 9.0, "jump"), ("v", 0.6, 0.7, "jump")]
    found = pd.DataFrame(spans, columns=["video_id", "t_start", "t_end", "label"])
    means = segment_probabilities(found, probabilities, grid)
    assert means == pytest.approx([0.4, 0.7, 0.3])
    order = doubtful_segments(found.assign(probability=means))
    assert order["probability"].tolist() == pytest.approx([0.4, 0.7, 0.3])
    assert order["t_start"].tolist() == [0.5, 1.5, 0.6]
