"""ACN's localization against loops over its definition."""

from dataclasses import replace

import numpy as np
import pytest
from acn_cases import acn_config, kept_by_hand, proposals_by_hand
from wstal.errors import WstalError
from wstal.localize.acn import localize, proposals, threshold
from wstal.localize.baseline import constant_attention
from wstal.localize.nms import overlap
from wstal.localize.scores import Scores, VideoScores
from wstal.losses.areas import areas_of

ANCHORS = np.array([1.0, 2.0, 4.0])


@pytest.fixture(scope="module")
def settings(project):
    return acn_config(project)["localize"]


def video(seed=0, count=20):
    rng = np.random.default_rng(seed)
    features = rng.random((count, 5))
    shifts = ANCHORS[:, None, None] * rng.uniform(-0.5, 0.5, (3, count, 2))
    cas = rng.dirichlet([0.4, 0.4, 0.4], count)
    coherence = np.ones((3, count))
    found = proposals_by_hand(features, cas[:, 0], shifts, ANCHORS.astype(int), 0.6)
    valid = [(row, i) for row, p in enumerate((1, 2, 4)) for i in range(count - p)]
    for (row, i), proposal in zip(valid, found, strict=True):
        coherence[row, i] = proposal[3]
    extra = {
        "anchors": ANCHORS,
        "margins": np.maximum(ANCHORS / 4, 1),
        "shifts": shifts,
        "coherence": coherence,
        "training_quantiles": np.linspace(-1, 1, 101),
    }
    attention, score = rng.uniform(-1, 1, count), np.array([0.6, 0.05, 0.35])
    cas = np.pad(cas, ((0, 0), (0, 1)))
    return features, VideoScores(cas, attention, score, {}, extra)


def by_hand(features, scores, label, settings):
    """Kept proposals of a class, best first, after suppression."""
    seen = scores.attention >= 2 * settings["attention"]["quantile"] - 1
    cas = scores.cas[:, label] * seen
    shifts = scores.extra["shifts"]
    found = proposals_by_hand(features, cas, shifts, ANCHORS.astype(int), settings["alpha"])
    kept = sorted(kept_by_hand(found, seen & (cas >= 0.1)), key=lambda n: found[n][-1])
    rows, segments = [], np.empty((0, 2))
    for n in kept:
        start, end = max(found[n][0], 0), min(found[n][1] + 1, len(cas))
        if (overlap(np.array([start, end]), segments) <= settings["nms_iou"]).all():
            segments = np.concatenate([segments, [[start, end]]])
            rows.append([start, end, label, -found[n][-1]])
    return np.array(rows).reshape(-1, 4)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("alpha", [0.6, 0, 1])
def test_by_hand(seed, alpha, settings):
    settings = {**settings, "alpha": alpha}
    features, scores = video(seed)
    expected = [by_hand(features, scores, label, settings) for label in (0, 2)]
    found = proposals(scores, settings)
    assert len(found) > 4
    np.testing.assert_allclose(found, np.concatenate(expected), atol=1e-9)


def test_class_and_time_reach_the_frame(settings):
    _, scores = video()
    frame = localize(Scores(["a", "b", "c"], {"v": scores}, "probability", t0=1.0), settings)
    assert set(frame["label"]) == {"a", "c"}
    first = proposals(scores, settings)[0]
    assert frame["t_start"][0] == pytest.approx(1 + 0.64 * first[0])
    assert frame["t_end"].max() <= 1 + 20 * 0.64 and frame["t_start"].min() >= 1


def test_a_video_of_no_class_has_no_proposals(settings):
    _, scores = video()
    weak = replace(scores, video_score=np.full(3, 0.1))  # not above 0.1
    assert proposals(weak, settings).shape == (0, 4)


def test_the_threshold_of_attention(settings):
    _, scores = video()
    quantile = {"mode": "quantile", "quantile": 0.25, "value": 7}
    assert threshold(scores, quantile) == pytest.approx(-0.5)
    assert threshold(scores, {**quantile, "quantile": 0.335}) == pytest.approx(-0.33)
    assert threshold(scores, {**quantile, "mode": "absolute"}) == 7
    with pytest.raises(WstalError, match="attention.mode 'share' is not one of"):
        threshold(scores, {**quantile, "mode": "share"})
    none = {**settings, "attention": {**quantile, "mode": "absolute"}}
    assert proposals(scores, none).shape == (0, 4)


def test_the_threshold_does_not_depend_on_the_scored_video(settings):
    _, scores = video()
    other = replace(scores, attention=scores.attention * 3 + 100)
    assert threshold(other, settings["attention"]) == threshold(scores, settings["attention"])


def test_constant_attention_discards_nothing(settings):
    _, scores = video()
    all_seen = {**settings, "attention": {"mode": "quantile", "quantile": 0, "value": 7}}
    flat = constant_attention(Scores(["a", "b", "c"], {"v": scores}, "probability"))
    np.testing.assert_allclose(
        proposals(flat.videos["v"], settings), proposals(scores, all_seen), atol=1e-12
    )


def test_half_precision_keeps_proposals_of_long_videos_in_place(settings):
    _, scores = video(count=300)
    half = scores.map(lambda array: array.astype(np.float16))
    a, b = (boundaries(v) for v in (scores, half))
    assert np.abs(a - b).max() < 2e-3


def boundaries(scores):
    import torch

    given = {k: torch.from_numpy(v.astype(np.float64)) for k, v in scores.extra.items()}
    lengths = torch.tensor([len(scores.cas)])
    areas = areas_of(given["shifts"][None], given["anchors"], given["margins"], lengths)
    return np.stack([areas.start.numpy(), areas.end.numpy()])
