"""TS-SAM's semantic loss and localization by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from wstal.localize.scores import Scores, VideoScores
from wstal.localize.segments import ThresholdSettings
from wstal.methods.tssam.localize import (
    LocalizeSettings,
    localize,
    proposals,
    sequences,
    upsampled,
)
from wstal.methods.tssam.loss import attention_targets, dictionary_loss, warmup_factor


def case():
    """Two snippets of class 1 and one of the background (2)."""
    features = torch.tensor([[[3.0, 4.0], [0.0, 0.0], [1.0, 1.0]]], dtype=torch.float64)
    dictionary = torch.tensor([[9.0, 9.0], [0.0, 1.0], [1.0, -1.0]], dtype=torch.float64)
    logits = torch.tensor([[[0.0, 2.0, 1.0], [-3.0, -1.0, -2.0], [0.0, 1.0, 5.0]]])
    return features.requires_grad_(), dictionary.requires_grad_(), logits.requires_grad_()


def test_distances_to_the_entries_of_the_strongest_classes():
    features, dictionary, logits = case()
    expected = ((9 + 9) ** 0.5 + 1 + 2) / 3
    assert dictionary_loss(features, dictionary, logits).item() == pytest.approx(expected)


def test_both_sides_are_drawn_to_each_other_and_the_logits_learn_nothing():
    features, dictionary, logits = case()
    dictionary_loss(features, dictionary, logits).backward()
    way = torch.tensor([[1.0, 1.0], [0.0, -1.0], [0.0, 1.0]], dtype=torch.float64)
    way[0] /= 2**0.5
    assert torch.allclose(features.grad[0], way / 3)
    towards = torch.stack(
        [torch.zeros(2, dtype=torch.float64), -(way[0] + way[1]) / 3, -way[2] / 3]
    )
    assert torch.allclose(dictionary.grad, towards)
    assert logits.grad is None


def test_gradients_are_those_of_finite_differences_and_finite_on_an_entry():
    torch.manual_seed(0)
    features = torch.randn(2, 5, 3, dtype=torch.float64, requires_grad=True)
    dictionary = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    logits = torch.randn(2, 5, 4)
    assert torch.autograd.gradcheck(
        lambda x, q: dictionary_loss(x, q, logits), (features, dictionary)
    )
    same = torch.zeros(1, 1, 3, requires_grad=True)
    dictionary_loss(same, torch.zeros(4, 3), logits[:1, :1]).backward()
    assert same.grad.isfinite().all()


def test_weights_warm_up_on_a_line():
    assert [warmup_factor(p, 0.1) for p in (0.0, 0.05, 0.1, 0.9)] == [0.0, 0.5, 1.0, 1.0]
    assert warmup_factor(0.0, 0.0) == 1.0


def test_foreground_context_and_background_of_two_videos():
    """A video of classes 0 and 2, and one of class 1; background is last."""
    found = attention_targets(torch.tensor([[1.0, 0, 1], [0, 1, 0]]))
    assert found.tolist() == [
        [[1, 0, 1, 0], [1, 0, 1, 1], [0, 0, 0, 1]],
        [[0, 1, 0, 0], [0, 1, 0, 1], [0, 0, 0, 1]],
    ]


AT_04 = ThresholdSettings(0.4, 0.4, 1)
SETTINGS = LocalizeSettings(upsample=1, thresholds=AT_04)


def video(probability, video_score=(0.6, 0.05), attention=None):
    """Logits whose softmax over two classes and background gives class 0 `probability`."""
    p = np.asarray(probability, dtype=np.float64)
    a = np.ones(len(p)) if attention is None else np.asarray(attention, dtype=np.float64)
    rest = (1 - p) / 2
    cas = np.log(np.stack([p, rest, rest], 1)) / np.maximum(a, 1e-9)[:, None]
    return VideoScores(cas, a, np.array(video_score))


def test_one_segment_by_hand():
    p = [0.1, 0.2, 0.5, 0.6, 0.7, 0.5, 0.8, 0.3, 0.1, 0.1]
    found = proposals(video(p), SETTINGS)
    inside, outside = np.mean(p[2:7]), np.mean([p[1], p[7]])
    assert found.tolist() == [pytest.approx([2, 7, 0, inside - outside + 0.2 * 0.6])]


def test_sequences_are_probabilities_of_the_attended_logits():
    """A quarter of attention flattens what the logits say: log-odds are divided by 4."""
    scores = video([0.8, 0.8], attention=[1.0, 1.0])
    weak = VideoScores(scores.cas, np.array([1.0, 0.25]), scores.video_score)
    found = sequences(weak, np.array([0]), "class")[:, 0]
    odds = (0.8 / 0.1) ** 0.25
    assert found.tolist() == pytest.approx([0.8, odds / (odds + 2)])


def test_the_attention_branch_localizes_every_class_with_the_attention():
    a = [0.1, 0.9, 0.8, 0.7, 0.1, 0.1]
    scores = VideoScores(np.zeros((6, 3)), np.array(a), np.array([0.5, 0.3]))
    found = proposals(scores, replace(SETTINGS, sequence="attention"))
    assert found[:, :3].tolist() == [[1, 4, 0], [1, 4, 1]]
    assert found[0, 3] - found[1, 3] == pytest.approx(0.2 * 0.2)
    assert found[0, 3] == pytest.approx(np.mean(a[1:4]) - 0.1 + 0.2 * 0.5)


def test_the_logits_themselves_are_cut_and_scored():
    scores = VideoScores(
        np.array([[0.0, 9], [2, 9], [4, 9], [0, 9]]), np.array([1, 0.5, 0.25, 1]), np.array([0.5])
    )
    found = proposals(scores, replace(SETTINGS, sequence="logit"))
    assert found.tolist() == [pytest.approx([1, 3, 0, 1 - 0 + 0.2 * 0.5])]


def test_both_sequences_are_cut_and_the_probability_is_scored():
    """a_fg finds four snippets, the probability two of them; a share of a_fg may be scored."""
    p = [0.1, 0.3, 0.7, 0.7, 0.3, 0.1]
    a = [0.2, 0.9, 0.9, 0.9, 0.9, 0.2]
    own = video(p, attention=a)
    settings = replace(SETTINGS, sequence="both", nms=replace(SETTINGS.nms, iou=0.99))
    found = proposals(own, settings)
    narrow, wide = found[:, :2].tolist().index([2, 4]), found[:, :2].tolist().index([1, 5])
    assert len(found) == 2
    assert found[narrow, 3] == pytest.approx(0.7 - 0.3 + 0.12)
    assert found[wide, 3] == pytest.approx(0.5 - 0.1 + 0.12)
    mixed = proposals(own, replace(settings, attention_share=0.4))
    assert mixed[mixed[:, 0] == 1, 3] == pytest.approx(0.6 * 0.4 + 0.4 * 0.7 + 0.12)
    high = replace(settings, attention_thresholds=ThresholdSettings(0.95, 0.95, 1))
    assert proposals(own, high)[:, :2].tolist() == [[2, 4]]


def test_classes_are_those_of_the_video_score_or_the_best_one():
    p = [0.1, 0.6, 0.6, 0.1]
    for scores, classes in (((0.2, 0.1), {0, 1}), ((0.09, 0.02), {0}), ((0.02, 0.09), {1})):
        both = VideoScores(
            np.log(
                [[0.02, 0.02, 0.96], [0.49, 0.49, 0.02], [0.49, 0.49, 0.02], [0.02, 0.02, 0.96]]
            ),
            np.ones(4),
            np.array(scores),
        )
        assert set(proposals(both, SETTINGS)[:, 2]) == classes
    assert len(proposals(video(p, (0.2, 0.01)), SETTINGS)) == 1


def test_segments_begin_and_end_within_snippets():
    """0 to 1 and back over two snippets, threshold one half, 20 points per snippet."""
    p = np.clip([0.001, 0.001, 0.999, 0.999, 0.001, 0.001], 0, 1)
    fine = replace(SETTINGS, upsample=20, thresholds=ThresholdSettings(0.5, 0.5, 1))
    start = proposals(video(p), fine)[0]
    assert start[:2] == pytest.approx([1.5, 3.5], abs=0.051)  # the action is at [2, 4)
    centred = proposals(video(p), replace(fine, align="centre"))[0]
    assert centred[:2] == pytest.approx([2, 4], abs=0.051)


def test_suppression_keeps_the_best_of_nested_segments():
    p = [0.1, 0.5, 0.5, 0.9, 0.9, 0.9, 0.9, 0.5, 0.1, 0.1]
    settings = replace(SETTINGS, thresholds=ThresholdSettings(0.3, 0.7, 2))
    found = proposals(video(p), settings)
    assert len(found) == 1  # 4 of 7 snippets shared
    loose = replace(settings, nms=replace(settings.nms, iou=0.6))
    both = proposals(video(p), loose)
    assert sorted(map(tuple, both[:, :2])) == [(1, 8), (3, 7)]


def test_lone_points_are_no_segments():
    p = [0.1, 0.9, 0.1, 0.1, 0.9, 0.9, 0.1]
    assert proposals(video(p), SETTINGS)[:, :2].tolist() == [[4, 6]]
    assert len(proposals(video(p), replace(SETTINGS, shortest=1))) == 2


def test_surroundings_at_the_edge_of_a_video():
    p = [0.9] * 10 + [0.2] * 5
    inside = proposals(video(p), SETTINGS)[0, 3]
    assert inside == pytest.approx(0.9 - 0.2 + 0.12)
    fixed = proposals(video(p), replace(SETTINGS, outer_points="fixed"))[0, 3]
    assert fixed == pytest.approx(0.9 - 0.2 * 2 / 4 + 0.12)


def test_detections_are_in_seconds_and_equal_on_every_call():
    rng = np.random.default_rng(0)
    noisy = VideoScores(rng.normal(size=(40, 3)) * 3, rng.random(40), np.array([0.5, 0.4]))
    scores = Scores(["run", "jump"], {"a": noisy}, t0=0.5, step=0.64)
    settings = LocalizeSettings()
    first, again = localize(scores, settings), localize(scores, settings)
    assert first.equals(again) and len(first) > 5
    ends = first[["t_start", "t_end"]].to_numpy()
    assert ends.min() >= 0.5 and ends.max() <= 0.5 + 40 * 0.64 + 1e-9
    points = (ends - 0.5) / 0.64 * 20
    np.testing.assert_allclose(points, points.round(), atol=1e-9)


def test_a_snippets_value_stands_where_it_starts():
    assert upsampled(np.array([0.0, 1.0, 3.0]), 2, "start").tolist() == [0, 0.5, 1, 2, 3, 3]
    assert upsampled(np.array([0.0, 4.0]), 4, "start")[:5].tolist() == [0, 1, 2, 3, 4]


def test_or_at_its_middle():
    found = upsampled(np.array([0.0, 1.0, 3.0]), 2, "centre")
    assert found.tolist() == [0, 0.25, 0.75, 1.5, 2.5, 3]
    assert upsampled(np.array([1.0, 1.0, 0.0]), 20, "centre").sum() == pytest.approx(40)


def test_one_point_per_snippet_changes_nothing():
    values = np.random.default_rng(0).random(9).astype(np.float32)
    for align in ("start", "centre"):
        assert upsampled(values, 1, align).tolist() == values.astype(float).tolist()
        assert upsampled(values[:1], 3, align).tolist() == [values[0]] * 3
