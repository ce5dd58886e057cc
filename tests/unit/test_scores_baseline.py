import numpy as np
import pytest
import yaml
from wstal.errors import WstalError
from wstal.localize.baseline import constant_attention
from wstal.localize.co2net import localize
from wstal.localize.scores import (
    ScoreHistory,
    Scores,
    VideoScores,
    read_scores,
    write_iterations,
    write_scores,
)


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


def test_history_is_half_precision_and_in_order(tmp_path):
    write_iterations(tmp_path / "h.h5", [some(200, 2), some(50, 1)])
    history = ScoreHistory(tmp_path / "h.h5")
    assert len(history) == 2 and history.iterations == [50, 200]
    first, second = history
    assert (first.iteration, second.iteration) == (50, 200)
    assert first.videos["c"].cas.dtype == np.float16
    assert_equal(some(50, 1), first, tolerance=2e-3)


def test_other_files_are_refused(tmp_path):
    import h5py

    (tmp_path / "text.h5").write_text("no")
    with pytest.raises(WstalError, match="text.h5 is not a readable score file"):
        read_scores(tmp_path / "text.h5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file.create_group("v")
    with pytest.raises(WstalError, match="not a score file of this project"):
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


def test_logits_beyond_half_precision_stay_finite_and_localize(tmp_path, project):
    settings = yaml.safe_load((project / "workflow/config/models/co2net.yaml").read_text())
    scores = some(5)
    scores.videos["a b/ü"].cas[1:3, 1] = 7e4, -1e30
    write_iterations(tmp_path / "h.h5", [scores])
    (found,) = ScoreHistory(tmp_path / "h.h5")
    assert found.videos["a b/ü"].cas[1:3, 1].tolist() == [65504, -65504]
    assert np.isfinite(localize(found, settings["localize"])["score"]).all()


@pytest.mark.parametrize("name", ["cas", "attention", "video_score", "attention_rgb"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_scores_that_are_not_finite_are_refused(tmp_path, name, value):
    scores = some(iteration=40)
    scores.videos["c"].arrays()[name].flat[0] = value
    for write in (lambda p: write_scores(p, scores), lambda p: write_iterations(p, [scores])):
        with pytest.raises(WstalError, match=f"video c, iteration 40: {name} not finite"):
            write(tmp_path / "s.h5")
    assert not list(tmp_path.iterdir())
