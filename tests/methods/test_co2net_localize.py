"""CO2-Net's mutual loss, and its localization against proposals of the official code."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.distributions import Bernoulli, kl_divergence
from wstal.localize.scores import Scores, VideoScores
from wstal.methods.co2net.localize import (
    LocalizeSettings,
    localize,
    proposals,
    suppressed,
    video_level,
)
from wstal.methods.co2net.loss import mutual_loss


@pytest.fixture
def attentions():
    torch.manual_seed(0)
    return [torch.rand(3, 7, dtype=torch.float64, requires_grad=True) for _ in range(2)]


def test_mse_has_half_the_gradient_of_the_plain_distance(attentions):
    a, b = attentions
    loss = mutual_loss(a, b, "mse")
    assert loss.item() == pytest.approx(((a - b) ** 2).mean().item())
    loss.backward()
    torch.testing.assert_close(a.grad, (a - b).detach() / a.numel())
    torch.testing.assert_close(b.grad, -a.grad)


def test_mae(attentions):
    a, b = attentions
    assert mutual_loss(a, b, "mae").item() == pytest.approx((a - b).abs().mean().item())


def test_kl_and_js_are_those_of_bernoulli_variables(attentions):
    a, b = (Bernoulli(probs=x.detach()) for x in attentions)
    middle = Bernoulli(probs=(a.probs + b.probs) / 2)
    kl = (kl_divergence(b, a) + kl_divergence(a, b)).mean() / 2
    js = (kl_divergence(a, middle) + kl_divergence(b, middle)).mean() / 2
    assert mutual_loss(*attentions, "kl").item() == pytest.approx(kl.item(), rel=1e-6)
    assert mutual_loss(*attentions, "js").item() == pytest.approx(js.item(), rel=1e-6)


def _kl_gradient(a, b):
    """Of KL(b || a) by a: that of KL(a || b) would be a difference of logits."""
    return (a - b) / (a * (1 - a))


def _js_gradient(a, b):
    """By a; what comes through the middle cancels."""
    middle = (a + b) / 2
    return (torch.logit(a) - torch.logit(middle)) / 2


GRADIENTS = {
    "mse": lambda a, b: 2 * (a - b),
    "mae": lambda a, b: (a - b).sign(),
    "kl": _kl_gradient,
    "js": _js_gradient,
}


@pytest.mark.parametrize("distance", GRADIENTS)
def test_each_attention_learns_from_the_other_held_fixed(attentions, distance):
    a, b = attentions
    mutual_loss(a, b, distance).backward()
    for own, other in ((a, b), (b, a)):
        expected = GRADIENTS[distance](own.detach(), other.detach()) / 2 / own.numel()
        torch.testing.assert_close(own.grad, expected, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("distance", ["kl", "js"])
@pytest.mark.parametrize("extreme", [0.0, 1e-9, 1.0])
def test_saturated_attentions_still_learn(distance, extreme):
    own = torch.tensor([[extreme]], requires_grad=True)
    other = torch.tensor([[0.3]])
    mutual_loss(own, other, distance).backward()
    tiny = torch.finfo(torch.float32).eps
    nearest = torch.tensor([[extreme]], dtype=torch.float64).clamp(tiny, 1 - tiny)
    expected = GRADIENTS[distance](nearest, other.double()) / 2
    torch.testing.assert_close(own.grad.double(), expected, rtol=1e-2, atol=0)


@pytest.mark.parametrize("distance", GRADIENTS)
def test_equal_attentions_are_at_rest_and_extremes_stay_finite(distance):
    same = torch.tensor([[0.0, 0.5, 1.0]], requires_grad=True)
    assert mutual_loss(same, same.detach().clone(), distance).item() == pytest.approx(0, abs=1e-6)
    loss = mutual_loss(same, torch.tensor([[1.0, 0.5, 0.0]]), distance)
    loss.backward()
    assert loss.isfinite() and same.grad.isfinite().all()


@pytest.fixture(scope="module")
def settings():
    return LocalizeSettings()


@pytest.fixture(scope="module")
def official(reference):
    return np.load(reference / "fixtures/co2net/proposals.npz")


@pytest.fixture(scope="module")
def ambiguous(reference):
    """{video: intervals in snippets}, rounded as the official code does."""
    folder = reference / "data/annotations/thumos14/TH14evalkit_groundtruth"
    intervals: dict[str, list[tuple[int, int]]] = {}
    for line in (folder / "Ambiguous_test.txt").read_text().splitlines():
        video, start, end = line.split()
        span = (round(float(start) * 25 / 16), round(float(end) * 25 / 16))
        intervals.setdefault(video, []).append(span)
    return intervals


def case(official, name):
    attention = official[f"{name}_attn"][0, :, 0]
    return VideoScores(official[f"{name}_cas"][0], attention, official[f"{name}_vid_score"])


@pytest.mark.parametrize("name", "ABCD")
def test_proposals_of_the_official_code(name, official, ambiguous, settings):
    video = case(official, name)
    found = proposals(video, settings)
    spans = ambiguous.get(str(official[f"{name}_name"]), [])
    clear = [not any(min(p[1], b) > max(p[0], a) for a, b in spans) for p in found]
    found = found[np.array(clear, dtype=bool)]
    expected = official[f"{name}_proposals"]
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=1e-6)
    scores = video_level(suppressed(video, "product"), 10)
    np.testing.assert_allclose(scores, video.video_score, atol=1e-6)
    if name == "A":
        assert len(clear) > len(found) > 0
        assert len(set(found[:, 2])) == 2


def test_thresholds_of_the_official_code(official, settings):
    np.testing.assert_allclose(settings.thresholds.grid(), official["act_thresh"])


def test_the_lone_first_snippet_is_a_switch(official, settings):
    assert len(proposals(case(official, "D"), replace(settings, skip_lone_first=False))) > 0


def test_the_extra_snippet_is_a_switch(official, settings):
    plain = replace(settings, nms=replace(settings.nms, plus_one=False))
    video = case(official, "A")
    with_quirk, without = proposals(video, settings), proposals(video, plain)
    assert with_quirk.shape == without.shape
    assert np.abs(np.sort(with_quirk[:, 3]) - np.sort(without[:, 3])).max() > 1e-3


def toy():
    attention = np.array([0.05, 0.95, 0.95, 0.05, 0.05], np.float32)
    cas = np.zeros((5, 3), np.float32)
    cas[1:3, 1] = 6.0
    return VideoScores(cas, attention, np.array([0.1, 0.9], np.float32))


def test_detections_are_in_seconds_and_named(settings):
    scores = Scores(["run", "jump"], {"a": toy(), "b": toy()}, t0=0.5, step=0.64)
    frame = localize(scores, settings)
    assert list(frame.columns) == ["video_id", "t_start", "t_end", "label", "score"]
    jumps = frame[(frame["video_id"] == "b") & (frame["label"] == "jump")]
    assert len(jumps) == 10  # one per threshold
    best = jumps.iloc[0]
    assert (best["t_start"], best["t_end"]) == pytest.approx((0.5 + 0.64, 0.5 + 3 * 0.64))


def test_scores_and_times_keep_their_precision(settings):
    """One segment, by hand: the mean inside, nothing outside, a share of the video score."""
    cas = np.array([[0.3, 1.2], [2.123456, 0.1], [2.654321, 0.1], [0.7, 1.1]])
    video = VideoScores(cas, np.array([0.0, 1.0, 1.0, 0.0]), np.zeros(1))
    strongest = np.exp(np.array([2.654321, 0.1]))
    level = strongest[0] / strongest.sum()
    expected = (2.123456 + 2.654321) / 2 + 0.2 * level  # outside, suppressed to 0
    found = proposals(video, settings)
    assert found[0] == pytest.approx([1, 3, 0, expected], abs=1e-12)
    best = localize(Scores(["run"], {"a": video}, t0=0.123456, step=0.654321), settings).iloc[0]
    times = (0.123456 + 0.654321, 0.123456 + 3 * 0.654321)
    assert (best["t_start"], best["t_end"], best["score"]) == pytest.approx(
        (*times, expected), abs=1e-12
    )


def test_nothing_found_keeps_the_columns(settings):
    quiet = VideoScores(np.zeros((4, 3)), np.zeros(4), np.zeros(2))
    frame = localize(Scores(["run", "jump"], {"a": quiet}), settings)
    assert list(frame.columns) == ["video_id", "t_start", "t_end", "label", "score"]
    assert len(frame) == 0


def test_class_sequences_localize_without_attention(settings):
    video = toy()
    flat = VideoScores(video.cas, np.ones(5, np.float32), video.video_score)
    found = proposals(flat, replace(settings, sequence="class"))
    jumps = found[found[:, 2] == 1]
    assert jumps[0, :2].tolist() == [1, 3]


def test_hard_suppression_leaves_one_of_equal_segments(settings):
    found = proposals(toy(), replace(settings, nms=replace(settings.nms, kind="hard")))
    assert len(found[found[:, 2] == 1]) == 1


def test_suppression_modes():
    video = VideoScores(np.array([[3.0, -1.0, 1.0]]), np.array([0.5]), np.zeros(2))
    assert suppressed(video, "product").tolist() == [[1.5, -0.5, 0.5]]
    assert suppressed(video, "anchored").tolist() == [[1.0, -1.0, 0.0]]
