"""Stretches of the likeliest class as detections."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from wstal.base.errors import WstalError
from wstal.evaluate.detections import read_detections, read_detections_by_iteration
from wstal.localize.proposals import (
    COLUMNS,
    all_rows,
    class_rows,
    constant_attention,
    detection_frame,
    event_detections,
    summary,
    write_proposals,
    write_proposals_by_iteration,
)
from wstal.localize.scores import (
    ScoreHistory,
    Scores,
    VideoScores,
    read_scores,
    write_iterations,
    write_scores,
)
from wstal.methods.co2net.localize import LocalizeSettings, localize


def some(iteration=0, seed=0):
    rng = np.random.default_rng(seed)
    videos = {
        name: VideoScores(
            rng.normal(size=(n, 4)).astype(np.float32),
            rng.random(n).astype(np.float32),
            rng.random(3).astype(np.float32),
            {"rgb": rng.random(n).astype(np.float32)},
        )
        for name, n in (("a b/ü", 5), ("c", 1))
    }
    return Scores(["x", "y", "z"], videos, iteration=iteration, t0=0.1, provenance={"seed": seed})


def assert_equal(a, b, tolerance=0.0):
    assert a.videos.keys() == b.videos.keys()
    for name, video in a.videos.items():
        np.testing.assert_allclose(b.videos[name].cas, video.cas, atol=tolerance)
        np.testing.assert_allclose(b.videos[name].attention, video.attention, atol=tolerance)
        np.testing.assert_allclose(b.videos[name].video_score, video.video_score, atol=tolerance)
        rgb = b.videos[name].attentions["rgb"]
        np.testing.assert_allclose(rgb, video.attentions["rgb"], atol=tolerance)


def test_round_trip(tmp_path):
    scores = some(iteration=7)
    write_scores(tmp_path / "s.h5", scores)
    found = read_scores(tmp_path / "s.h5")
    assert_equal(scores, found)
    for name in ("classes", "activation", "iteration", "t0", "step", "provenance"):
        assert getattr(found, name) == getattr(scores, name)


def test_history_rounds_nothing_and_is_in_order(tmp_path):
    write_iterations(tmp_path / "h.h5", [some(200, 2), some(50, 1)])
    history = ScoreHistory(tmp_path / "h.h5")
    assert len(history) == 2 and history.iterations == [50, 200]
    first, second = history
    assert (first.iteration, second.iteration) == (50, 200)
    assert_equal(some(50, 1), first)
    assert_equal(some(200, 2), second)


def test_other_files_are_refused(tmp_path):
    import h5py

    (tmp_path / "text.h5").write_text("no")
    with pytest.raises(WstalError, match="text.h5 is damaged or missing .*Expected a score file"):
        read_scores(tmp_path / "text.h5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file.create_group("v")
    with pytest.raises(WstalError, match="Expected a score file of this project"):
        read_scores(tmp_path / "other.h5")


def test_scores_must_fit_their_classes():
    video = VideoScores(np.zeros((2, 3)), np.zeros(2), np.zeros(2))
    with pytest.raises(WstalError, match="video v: 3 columns of scores for 3 classes"):
        Scores(["x", "y", "z"], {"v": video})
    with pytest.raises(WstalError, match="'odds' is not logits or probability"):
        Scores(["x", "y"], {"v": video}, activation="odds")


def test_constant_attention_keeps_everything_else():
    scores = some()
    scores.videos["c"].extra["cas_rgb"] = np.ones((1, 3))
    flat = constant_attention(scores)
    assert flat.videos["c"].extra is scores.videos["c"].extra
    assert all((v.attention == 1).all() for v in flat.videos.values())
    assert all((v.attentions["rgb"] == 1).all() for v in flat.videos.values())
    assert flat.videos["c"].cas is scores.videos["c"].cas
    assert scores.videos["c"].attention[0] != 1


def test_constant_attention_passes_every_threshold_of_unbounded_attentions():
    scores = some()
    scores.videos["c"].attention[0] = 7.5
    flat = constant_attention(scores)
    for video in flat.videos.values():
        assert (video.attention == 7.5).all() and (video.attentions["rgb"] == 7.5).all()


def test_logits_beyond_half_precision_stay_as_they_are_and_localize(tmp_path):
    scores = some(5)
    scores.videos["a b/ü"].cas[1:3, 1] = 7e4, -1e30
    write_iterations(tmp_path / "h.h5", [scores])
    (found,) = ScoreHistory(tmp_path / "h.h5")
    assert found.videos["a b/ü"].cas[1:3, 1].tolist() == scores.videos["a b/ü"].cas[1:3, 1].tolist()
    assert np.isfinite(localize(found, LocalizeSettings())["score"]).all()


@pytest.mark.parametrize("name", ["cas", "attention", "video_score", "attention_rgb"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_scores_that_are_not_finite_are_refused(tmp_path, name, value):
    scores = some(iteration=40)
    scores.videos["c"].arrays()[name].flat[0] = value
    for write in (lambda p: write_scores(p, scores), lambda p: write_iterations(p, [scores])):
        with pytest.raises(WstalError, match=f"video c, iteration 40: {name} not finite"):
            write(tmp_path / "s.h5")
    assert not list(tmp_path.iterdir())


def test_stretches_of_one_class_in_seconds():
    cas = np.eye(3)[[2, 0, 0, 1, 1, 1, 2, 0]] * 4.0
    empty = np.eye(3)[[2, 2]]
    videos = {
        "v": VideoScores(cas, np.zeros(8), np.zeros(2)),
        "w": VideoScores(empty, np.zeros(2), np.zeros(2)),
    }
    found = event_detections(Scores(["a", "b"], videos, t0=0.5, step=2.0))
    assert found.to_numpy().tolist() == [
        ["v", 2.5, 6.5, "a", 4.0],
        ["v", 14.5, 16.5, "a", 4.0],
        ["v", 6.5, 12.5, "b", 4.0],
    ]


def test_background_throughout_is_no_detection():
    videos = {"w": VideoScores(np.eye(3)[[2, 2]], np.zeros(2), np.zeros(2))}
    assert not len(event_detections(Scores(["a", "b"], videos)))


FRAME = pd.DataFrame(
    {
        "video_id": ["b", "b"],
        "t_start": [0.64, 1.28],
        "t_end": [1.92, 2.56],
        "label": ["x", "x"],
        "score": [0.9, -0.25],
    }
)


def scores(iteration=12):
    video = VideoScores(np.zeros((4, 2)), np.zeros(4), np.zeros(1))
    return Scores(["x"], {"a": video, "b": video}, iteration=iteration, provenance={"seed": 3})


def test_evaluation_reads_what_was_written(tmp_path):
    write_proposals(tmp_path / "p.json", FRAME, scores(), {"sigma": 0.3})
    found = read_detections(tmp_path / "p.json")
    pd.testing.assert_frame_equal(found, FRAME)
    content = json.loads((tmp_path / "p.json").read_text())
    assert content["results"]["a"] == []  # scored, nothing found
    assert content["external_data"]["provenance"] == {
        "seed": 3,
        "iteration": 12,
        "localize": {"sigma": 0.3},
    }


def test_evaluation_reads_the_history(tmp_path):
    found = [(scores(200), FRAME), (scores(50), FRAME.iloc[:0])]
    write_proposals_by_iteration(tmp_path / "h.json.gz", found, {})
    history = read_detections_by_iteration(tmp_path / "h.json.gz")
    assert list(history) == [50, 200] and len(history[50]) == 0
    pd.testing.assert_frame_equal(history[200], FRAME)


def test_equal_content_is_equal_bytes(tmp_path):
    for name in ("a.json.gz", "b.json.gz"):
        write_proposals_by_iteration(tmp_path / name, [(scores(), FRAME)], {})
    assert (tmp_path / "a.json.gz").read_bytes() == (tmp_path / "b.json.gz").read_bytes()


def test_summary_names_what_to_watch():
    line = summary(scores(), FRAME)
    assert line == "iteration 12: 2 proposals in 2 videos, mean attention 0.000"


def scores_detection_frame():
    video = VideoScores(np.zeros((4, 3)), np.zeros(4), np.zeros(2))
    return Scores(["run", "jump"], {"b": video, "a": video}, t0=0.5, step=0.64)


def test_snippets_become_seconds_and_classes_names():
    rows = np.array([[0.0, 2.0, 1, 0.7], [1.25, 3.5, 0, -0.1]])
    frame = detection_frame(scores_detection_frame(), lambda video: rows)
    assert list(frame.columns) == COLUMNS
    assert frame["video_id"].tolist() == ["b", "b", "a", "a"]
    assert frame["label"].tolist() == ["jump", "run"] * 2
    second = frame.iloc[1]
    assert (second["t_start"], second["t_end"], second["score"]) == pytest.approx(
        (0.5 + 1.25 * 0.64, 0.5 + 3.5 * 0.64, -0.1)
    )


def test_nothing_found_keeps_the_columns():
    frame = detection_frame(scores_detection_frame(), lambda video: all_rows([]))
    assert list(frame.columns) == COLUMNS and len(frame) == 0


def test_rows_of_classes_stand_under_each_other():
    first = class_rows(np.array([[0, 2]]), 1, np.array([0.5]))
    rows = all_rows([first, class_rows(np.array([[3, 4]]), 2, np.array([0.25]))])
    assert rows.tolist() == [[0, 2, 1, 0.5], [3, 4, 2, 0.25]] and rows.dtype == np.float64
