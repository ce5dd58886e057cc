"""UntrimmedNet's own detector on sequences made by hand."""

import numpy as np
import pytest
import yaml
from wstal.localize.scores import Scores, VideoScores
from wstal.localize.untrimmednet import extended, localize, proposals


@pytest.fixture(scope="module")
def settings(project):
    text = (project / "workflow/config/models/untrimmednet.yaml").read_text()
    return yaml.safe_load(text)["localize"]


@pytest.fixture(scope="module")
def plain(settings):
    return {**settings, "average_next": False, "extend": 0}


def video(sequence, other=0.0, scores=(0.6, 0.05)):
    cas = np.stack([sequence, np.full(len(sequence), other), np.zeros(len(sequence))], 1)
    return VideoScores(cas, np.zeros(len(sequence)), np.array(scores))


SEQUENCE = [0.1, 0.8, 0.6, 0.1, 0.1, 0.7, 0.1, 0.1]


def test_settings_of_the_matlab_code(settings):
    assert settings == {
        "class_threshold": 0.1, "threshold": 0.5, "average_next": True, "extend": 1,
        "video_weight": 0.2,
    }  # fmt: skip


def test_runs_over_half_of_the_maximum(plain):
    """Over 0.4: snippets 1-2 and 5; their means plus a fifth of the video score."""
    found = proposals(video(SEQUENCE), plain)
    expected = [[1, 3, 0, 0.7 + 0.12], [5, 6, 0, 0.7 + 0.12]]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_the_detector_of_the_matlab_code(settings):
    """Averaged with the next: .45 .7 .35 .1 .4 .4 .1 .1; over .35: 0-1, 4-5, each one longer.

    Snippet 2, at exactly half of the maximum, is not over it. Scores are means of the average.
    """
    found = proposals(video(SEQUENCE), settings)
    expected = [
        [0, 3, 0, (0.45 + 0.7 + 0.35) / 3 + 0.12],
        [4, 7, 0, (0.4 + 0.4 + 0.1) / 3 + 0.12],
    ]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_the_last_snippet_is_its_own_neighbour(settings):
    found = proposals(video([0.0, 0.0, 0.2, 0.8]), settings)
    np.testing.assert_allclose(found, [[2, 4, 0, (0.5 + 0.8) / 2 + 0.12]], atol=1e-12)


def test_classes_at_the_threshold_are_left_out(plain):
    assert len(proposals(video(SEQUENCE, scores=(0.1, 0.05)), plain)) == 0
    both = proposals(video(SEQUENCE, other=0.3, scores=(0.6, 0.4)), plain)
    assert both[:, 2].tolist() == [0, 0, 1]
    assert both[2].tolist() == pytest.approx([0, 8, 1, 0.3 + 0.08])


def test_runs_grow_at_their_end_and_merge():
    active = np.array([0, 1, 0, 1, 0, 0, 0], dtype=bool)
    assert extended(active, 1).astype(int).tolist() == [0, 1, 1, 1, 1, 0, 0]
    assert extended(active, 2).astype(int).tolist() == [0, 1, 1, 1, 1, 1, 0]
    assert extended(active, 0).tolist() == active.tolist()
    assert extended(np.array([True]), 3).tolist() == [True]


def test_attention_plays_no_part_and_times_are_seconds(plain):
    scores = Scores(["run", "jump"], {"a": video(SEQUENCE)}, "probability", t0=0.25, step=0.5)
    frame = localize(scores, plain)
    assert frame["label"].tolist() == ["run", "run"]
    assert frame[["t_start", "t_end"]].to_numpy().tolist() == [[0.75, 1.75], [2.75, 3.25]]
