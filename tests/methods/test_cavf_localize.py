"""CAVF's consistency losses and localization, by hand and against loops."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from wstal.localize.scores import Scores, VideoScores
from wstal.localize.segments import NmsSettings, ThresholdSettings
from wstal.methods.cavf.localize import (
    LocalizeSettings,
    class_sequences,
    classes_above_mean,
    localize,
)
from wstal.methods.cavf.loss import (
    ContinuitySettings,
    PseudoSettings,
    active_share,
    continuity_loss,
    gaussian,
    mean_over_snippets,
    nearby_class,
    pseudo_loss,
    uniform,
    windowed_mean,
)


def by_loops(x, weights):
    half, out = len(weights) // 2, np.zeros_like(x)
    for t in range(len(x)):
        near = [i for i in range(t - half, t + half + 1) if 0 <= i < len(x)]
        share = sum(weights[i - t + half] for i in near)
        out[t] = sum(weights[i - t + half] * x[i] for i in near) / share * weights.sum()
    return out


def test_gaussian_of_the_default_window():
    expected = [0.054489, 0.244201, 0.402620, 0.244201, 0.054489]
    np.testing.assert_allclose(gaussian(ContinuitySettings()), expected, atol=1e-6)
    printed = gaussian(ContinuitySettings(normalize=False))
    assert printed[2] == pytest.approx(0.2) and printed.sum() == pytest.approx(0.4967, abs=1e-4)
    assert uniform(4).tolist() == pytest.approx([0.2] * 5)


@pytest.mark.parametrize(
    "weights",
    [gaussian(ContinuitySettings()), gaussian(ContinuitySettings(2, 0.7, False)), uniform(6)],
)
def test_means_are_those_of_the_definition_and_padding_is_no_neighbour(weights):
    torch.manual_seed(0)
    x = torch.randn(2, 9, 3, dtype=torch.float64)
    mask = torch.ones(2, 9, dtype=torch.bool)
    mask[1, 4:] = False
    kernel = weights.double()
    found = windowed_mean(x, kernel, mask)
    np.testing.assert_allclose(found[0], by_loops(x[0].numpy(), kernel.numpy()), atol=1e-12)
    np.testing.assert_allclose(found[1, :4], by_loops(x[1, :4].numpy(), kernel.numpy()), atol=1e-12)
    np.testing.assert_allclose(windowed_mean(x, kernel)[0], found[0], atol=1e-12)


def test_a_constant_is_its_own_mean():
    x = torch.full((1, 3, 2), 0.3)
    torch.testing.assert_close(windowed_mean(x, gaussian(ContinuitySettings())), x)


def test_each_video_weighs_the_same_whatever_its_length():
    x = torch.tensor([[1.0, 1.0, 1.0, 1.0], [4.0, 0.0, 9.0, 9.0]])
    mask = torch.tensor([[True] * 4, [True, True, False, False]])
    assert mean_over_snippets(x, mask).item() == 1.5
    assert mean_over_snippets(x).item() == pytest.approx(x.mean().item())


WINDOW = ContinuitySettings()


def openmax(foreground, inside):
    """mu and the share of mu that the first of two classes has -> probabilities."""
    first = foreground * inside
    return torch.stack([first, foreground - first, 1 - foreground], -1)


def test_vanishes_where_nothing_changes_and_the_class_is_sure():
    mu = torch.full((2, 7), 0.6, dtype=torch.float64)
    labels = torch.tensor([[1.0, 0.0]] * 2, dtype=torch.float64)
    found = continuity_loss(mu, openmax(mu, torch.ones_like(mu)), labels, WINDOW)
    assert found.item() == pytest.approx(0, abs=1e-7)


def test_an_unsure_class_draws_the_foreground_down():
    mu = torch.full((1, 7), 0.6, dtype=torch.float64, requires_grad=True)
    inside = torch.full((1, 7), 0.25, dtype=torch.float64)
    labels = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    found = continuity_loss(mu, openmax(mu, inside), labels, WINDOW)
    assert found.item() == pytest.approx(0.6 * 0.75, abs=1e-7)
    both = continuity_loss(mu, openmax(mu, inside), torch.ones(1, 2).double(), WINDOW)
    assert both.item() == pytest.approx(0, abs=1e-7)  # the labels' probabilities add up
    none = continuity_loss(mu, openmax(mu, inside), torch.zeros(1, 2).double(), WINDOW)
    assert none.item() == pytest.approx(0.6, abs=1e-7)  # background only: drawn to 0


def test_a_step_in_closed_form():
    mu = torch.cat([torch.zeros(1, 10), torch.ones(1, 10)], 1).double()
    found = continuity_loss(mu, openmax(mu, torch.ones_like(mu)), torch.eye(2)[:1], WINDOW)
    _, side, peak, _, last = gaussian(WINDOW).double().tolist()
    # Beside the step the neighbours across it weigh side + last, one further last alone;
    # the same on the other side, the same for both terms.
    assert found.item() == pytest.approx(4 * (side + 2 * last) / 20, abs=1e-7)
    assert peak > side


def test_gradients_reach_both_sides_and_are_those_of_finite_differences():
    torch.manual_seed(0)
    mu = torch.rand(2, 6, dtype=torch.float64, requires_grad=True)
    inside = torch.rand(2, 6, dtype=torch.float64, requires_grad=True)
    labels = torch.eye(2).double()
    mask = torch.tensor([[True] * 6, [True] * 4 + [False] * 2])

    def value(mu, inside):
        return continuity_loss(mu, openmax(mu, inside), labels, WINDOW, mask)

    assert torch.autograd.gradcheck(value, (mu, inside))


def test_the_gradient_of_the_smoothed_side_can_be_stopped():
    """|mu - G mu| in an even slope: with its mean moving along, the ends alone learn."""
    labels, found = torch.eye(2)[:1].double(), {}
    for stop in (False, True):
        mu = torch.linspace(0.9, 0.1, 9, dtype=torch.float64)[None].requires_grad_()
        p = openmax(torch.full_like(mu, 0.5), torch.zeros_like(mu))  # its term is mu - 0
        loss = continuity_loss(mu, p, labels, replace(WINDOW, stop_gradient=stop))
        (found[stop],) = torch.autograd.grad(loss, mu)
        found[f"loss {stop}"] = loss.item()
    assert found["loss True"] == found["loss False"]
    # Without a window both terms have the sign of mu - G mu, 0 in the middle, and of mu.
    signs = torch.tensor([1.0, 1, 0, 0, 0, 0, 0, -1, -1]) + 1
    torch.testing.assert_close(found[True][0, [0, 1, 7, 8]] * 9, signs[[0, 1, 7, 8]].double())
    assert (found[False] - found[True]).abs().max() > 0.01


def test_padding_takes_no_part():
    torch.manual_seed(0)
    mu = torch.rand(2, 6, dtype=torch.float64)
    p, labels = openmax(mu, torch.rand(2, 6).double()), torch.eye(2).double()
    mask = torch.tensor([[True] * 4 + [False] * 2] * 2)
    found = continuity_loss(mu, p, labels, WINDOW, mask)
    alone = continuity_loss(mu[:, :4], p[:, :4], labels, WINDOW)
    assert found.item() == pytest.approx(alone.item(), rel=1e-12)


P = torch.tensor(
    [[[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.7, 0.3], [0.9, 0.1]]], dtype=torch.float64
)


def test_neighbours_decide_the_class_and_whether_it_counts():
    label, active = nearby_class(P, PseudoSettings(2, 0.65))
    # means over three (two at the ends): .85, .6, .53, .57, .8 of class 0
    assert label.tolist() == [[0, 0, 0, 0, 0]]
    assert active.tolist() == [[True, False, False, False, True]]
    assert active_share(active).item() == pytest.approx(0.4)
    expected = -2 * np.log(0.9 + 1e-7) / 5
    assert pseudo_loss(P, label, active).item() == pytest.approx(expected, rel=1e-12)


def test_the_words_of_the_appendix_act_where_equation_9_does_not():
    agree, differ = (PseudoSettings(2, 0.65, where) for where in ("agree", "differ"))
    label, active = nearby_class(P, agree)
    others, rest = nearby_class(P, differ)
    assert torch.equal(label, others) and torch.equal(rest, ~active)
    expected = -(np.log(0.8) + np.log(0.1) + np.log(0.7)) / 5
    assert pseudo_loss(P, others, rest).item() == pytest.approx(expected, abs=1e-6)
    mask = torch.tensor([[True] * 4 + [False]])
    assert nearby_class(P, differ, mask)[1].tolist() == [[False, True, True, True, False]]


def test_a_snippet_learns_the_class_its_neighbours_have():
    p = torch.tensor([[[0.9, 0.1], [0.4, 0.6], [0.9, 0.1]]]).double().requires_grad_()
    label, active = nearby_class(p, PseudoSettings(2, 0.7))
    assert label.tolist() == [[0, 0, 0]] and active[0, 1]
    pseudo_loss(p, label, active).backward()
    assert p.grad[0, 1, 0] < 0 and p.grad[0, 1, 1] == 0


def test_constant_and_certain_sequences_cost_nothing():
    p = torch.tensor([0.0, 1.0]).double().expand(2, 6, 2)
    label, active = nearby_class(p, PseudoSettings(4, 0.9))
    assert active.all() and pseudo_loss(p, label, active).item() == pytest.approx(0, abs=1e-6)
    assert not nearby_class(torch.full((1, 6, 2), 0.5), PseudoSettings(4, 0.7))[1].any()


def test_padding_takes_no_part_pseudo():
    padded = torch.cat([P, torch.ones(1, 2, 2).double()], 1)
    mask = torch.tensor([[True] * 5 + [False] * 2])
    label, active = nearby_class(padded, PseudoSettings(2, 0.65), mask)
    assert active[0].tolist() == [True, False, False, False, True, False, False]
    assert active_share(active, mask).item() == pytest.approx(0.4)
    alone = pseudo_loss(P, *nearby_class(P, PseudoSettings(2, 0.65)))
    assert pseudo_loss(padded, label, active, mask).item() == pytest.approx(alone.item())


def test_gradient_is_that_of_finite_differences():
    p = P.clone().requires_grad_()
    label, active = nearby_class(p, PseudoSettings(2, 0.65))
    assert torch.autograd.gradcheck(lambda x: pseudo_loss(x, label, active), (p,))


SETTINGS = LocalizeSettings()
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
    assert set(
        localize(scores(video_score=(0.4, 0.4)), replace(SETTINGS, shortest=1))["label"]
    ) == {
        "a",
        "b",
    }


def test_several_thresholds_end_in_suppression():
    nms = NmsSettings(kind="hard", iou=0.3, sigma=0.3, plus_one=False)
    grid = ThresholdSettings(0.2, 0.8, 3)
    many = localize(scores(), replace(SETTINGS, thresholds=grid))
    kept = localize(scores(), replace(SETTINGS, thresholds=grid, nms=nms))
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
