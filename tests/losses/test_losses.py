"""The losses that several methods share."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from wstal.losses.coactivity import coactivity_loss
from wstal.losses.mil import (
    opposite_loss,
    probability_loss,
    snippets_kept,
    suppress,
    video_logits,
)
from wstal.methods.cavf.loss import background_only
from wstal.methods.co2net.loss import mil_loss, norm_loss
from wstal.methods.contract import weighted_sum


def test_k_is_a_floor_and_at_least_one():
    assert [snippets_kept(length, 7) for length in (1, 6, 7, 13, 500)] == [1, 1, 1, 1, 71]


def test_each_class_has_its_own_strongest_snippets():
    cas = torch.randn(3, 20, 5, dtype=torch.float64)
    expected = np.sort(cas.numpy(), axis=1)[:, -4:].mean(1)
    np.testing.assert_allclose(video_logits(cas, 4), expected, rtol=1e-12)


def test_targets_are_spread_over_labels_and_background():
    cas = torch.randn(2, 9, 4, dtype=torch.float64)
    labels = torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
    raw = video_logits(cas, 2).numpy()
    logp = raw - np.log(np.exp(raw).sum(1, keepdims=True))
    first = -(logp[0, 0] + logp[0, 1] + logp[0, 3]) / 3.0001
    second = -(logp[1, 2] + logp[1, 3]) / 2.0001
    found = mil_loss(cas, labels, 2, background=1.0)
    assert float(found) == pytest.approx(float(first + second) / 2, rel=1e-12)
    first, second = -(logp[0, 0] + logp[0, 1]) / 2.0001, -logp[1, 2] / 1.0001
    found = mil_loss(cas, labels, 2, background=0.0)
    assert float(found) == pytest.approx(float(first + second) / 2, rel=1e-12)


def test_suppression_anchors_at_the_smallest_logit():
    cas = torch.tensor([[[3.0, -1.0, 1.0]]])
    half = torch.tensor([[0.5]])
    assert suppress(cas, half, "anchored").tolist() == [[[1.0, -1.0, 0.0]]]
    assert suppress(cas, half, "product").tolist() == [[[1.5, -0.5, 0.5]]]
    assert torch.equal(suppress(cas, torch.ones(1, 1), "anchored"), cas)


def test_suppression_passes_gradient_to_minimum_and_attention():
    cas = torch.tensor([[[3.0, -1.0]]], requires_grad=True)
    attention = torch.tensor([[0.25]], requires_grad=True)
    suppress(cas, attention, "anchored")[0, 0, 0].backward()
    assert cas.grad.tolist() == [[[0.25, 0.75]]]
    assert attention.grad.tolist() == [[4.0]]


def test_k_may_be_rounded_up_and_counts_no_padding():
    assert [snippets_kept(length, 8, round_up=True) for length in (1, 8, 9, 16, 17)] == [
        1,
        1,
        2,
        2,
        3,
    ]
    mask = torch.arange(17) < torch.tensor([1, 8, 9, 17])[:, None]
    assert snippets_kept(17, 8, mask, round_up=True).tolist() == [1, 1, 2, 3]
    assert snippets_kept(17, 8, mask).tolist() == [1, 1, 1, 2]


def test_padding_is_never_among_the_strongest():
    torch.manual_seed(0)
    cas = torch.randn(3, 12, 4, dtype=torch.float64)
    lengths = torch.tensor([12, 5, 1])
    mask = torch.arange(12) < lengths[:, None]
    cas[~mask] = 100
    cas.requires_grad_()
    k = snippets_kept(12, 3, mask)
    found = video_logits(cas, k, mask)
    for row, length, kept in zip(range(3), lengths, k, strict=True):
        alone = video_logits(cas[row : row + 1, :length], int(kept))[0]
        np.testing.assert_allclose(found[row].detach(), alone.detach(), rtol=1e-12)
    found.sum().backward()
    assert not cas.grad[~mask].any() and cas.grad[mask].any()


def test_loss_of_probabilities_spreads_targets():
    p = torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8], [0.2, 0.2, 0.6]], dtype=torch.float64)
    targets = torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]], dtype=torch.float64)
    expected = -(np.log(0.5) / 2 + np.log(0.3) / 2 + np.log(0.8)) / 3
    assert float(probability_loss(p, targets, eps=0)) == pytest.approx(expected, rel=1e-12)
    assert background_only(targets[:, :2]).flatten().tolist() == [0, 1, 1]


def by_hand(features, cas, labels, pairs, margin=0.5):
    """The definition, pair by pair and class by class."""
    total = count = 0.0
    for pair in range(pairs):
        for label in range(labels.shape[1]):
            if not (labels[2 * pair, label] and labels[2 * pair + 1, label]):
                continue
            high, low = [], []
            for video in (2 * pair, 2 * pair + 1):
                a = torch.softmax(cas[video, :, label], 0)
                high.append(a @ features[video])
                low.append((1 - a) @ features[video] / (len(a) - 1))
            d = [
                1 - torch.cosine_similarity(x, y, dim=0)
                for x, y in ((high[0], high[1]), (high[0], low[1]), (high[1], low[0]))
            ]
            total += 0.5 * (max(d[0] - d[1] + margin, 0) + max(d[0] - d[2] + margin, 0))
            count += 1
    return total / count


def test_matches_the_definition():
    torch.manual_seed(0)
    features, cas = torch.rand(8, 11, 5).double(), torch.randn(8, 11, 4).double()
    labels = torch.tensor([[1, 1, 0], [1, 1, 1], [0, 1, 0], [0, 1, 0]] * 2).double()
    found = coactivity_loss(features, cas, labels, 3)
    assert float(found) == pytest.approx(float(by_hand(features, cas, labels, 3)), rel=1e-12)


def test_background_and_unpaired_videos_take_no_part():
    features = torch.rand(4, 6, 3, requires_grad=True)
    cas = torch.randn(4, 6, 3, requires_grad=True)
    coactivity_loss(features, cas, torch.ones(4, 2), 1).backward()
    assert not features.grad[2:].any() and not cas.grad[2:].any()
    assert not cas.grad[..., -1].any() and cas.grad[:2, :, :-1].any()


@pytest.mark.parametrize("pairs", [0, 1])
def test_without_a_shared_class_the_loss_is_zero(pairs):
    features = torch.rand(2, 6, 3, requires_grad=True)
    loss = coactivity_loss(features, torch.randn(2, 6, 3), torch.eye(2), pairs)
    loss.backward()
    assert loss == 0 and not features.grad.any()


def test_padded_videos_count_as_they_are_alone():
    torch.manual_seed(1)
    features, cas = torch.rand(2, 9, 3).double(), torch.randn(2, 9, 3).double()
    mask = torch.ones(2, 9, dtype=torch.bool)
    mask[:, 6:] = False
    features.requires_grad_()
    found = coactivity_loss(features, cas, torch.ones(2, 2).double(), 1, mask=mask)
    alone = coactivity_loss(features[:, :6], cas[:, :6], torch.ones(2, 2).double(), 1)
    assert found.item() == pytest.approx(alone.item(), rel=1e-12)
    found.backward()
    assert not features.grad[:, 6:].any() and features.grad[:, :6].isfinite().all()


def test_a_video_of_nothing_is_at_distance_one_and_moves_nothing():
    """Rows of zeros stay zero in a model of sound alone, whose biases start at 0."""
    torch.manual_seed(0)
    features = torch.rand(4, 6, 3)
    features[0] = 0
    features.requires_grad_(True)
    cas, labels = torch.randn(4, 6, 2), torch.ones(4, 1)
    silent = coactivity_loss(features, cas, labels, 2)
    rest = coactivity_loss(features[2:], cas[2:], labels[2:], 1)
    # Every distance to nothing is 1, so that the first pair's hinges are the margin.
    assert silent.item() == pytest.approx((0.5 + rest.item()) / 2)
    silent.backward()
    assert features.grad.isfinite().all() and not features.grad[:2].any()
    assert features.grad[2:].any()


def test_norm_is_a_mean_and_in_the_paper_a_sum_over_time():
    attentions = torch.tensor([[[0.2, 0.4]], [[0.6, 0.8]]])
    assert norm_loss(attentions, "mean").item() == pytest.approx(0.5)
    assert norm_loss(attentions, "l1").item() == pytest.approx(1.0)


def test_opposite_is_zero_where_attention_and_background_add_up_to_one():
    cas = torch.randn(2, 5, 4)
    background = cas.softmax(-1)[..., -1]
    assert opposite_loss((1 - background)[None], cas).item() == pytest.approx(0, abs=1e-7)
    assert opposite_loss(background.new_zeros(1, 2, 5), cas).item() == pytest.approx(
        (1 - background).mean().item()
    )


def test_with_equal_weights_norm_and_opposite_cancel_below_the_background():
    """Attention is only ever pushed down by the two: a known property of the official losses."""
    cas = torch.zeros(1, 2, 4, dtype=torch.float64)
    cas[0, 1, -1] = 3.0
    attention = torch.tensor([[[0.3, 0.6]]], dtype=torch.float64, requires_grad=True)
    (norm_loss(attention, "mean") + opposite_loss(attention, cas)).backward()
    assert attention.grad[0, 0].tolist() == pytest.approx([0.0, 1.0])


def test_the_readings_of_the_guide_loss_in_closed_form():
    """Two snippets: p_background 1/2 and 3/4, logits 0 and log 3 beside one zero class."""
    cas = torch.tensor([[[0.0, 0.0], [0.0, 3.0]]], dtype=torch.float64)
    cas[0, 1, 1] = cas[0, 1, 1].log()
    attention = torch.tensor([[[0.2, 0.5]]], dtype=torch.float64)
    gaps = (1 - 0.2 - 0.5, abs(1 - 0.5 - 0.75))
    assert opposite_loss(attention, cas).item() == pytest.approx(sum(gaps) / 2)
    assert opposite_loss(attention, cas, reduction="sum").item() == pytest.approx(sum(gaps))
    both = torch.cat([attention, attention]), torch.cat([cas, cas])
    stacked = both[0].transpose(0, 1)  # one attention, two videos: the sum is over time alone
    assert opposite_loss(stacked, both[1], reduction="sum").item() == pytest.approx(sum(gaps))
    raw = (1 - 0.2 - 0.0, abs(1 - 0.5 - torch.tensor(3.0).log().item()))
    found = opposite_loss(attention, cas, background="logit").item()
    assert found == pytest.approx(sum(raw) / 2)


def test_detached_attention_only_teaches_the_background():
    cas = torch.zeros(1, 3, 4, requires_grad=True)
    for detach in (False, True):
        attention = torch.full((1, 1, 3), 0.3, requires_grad=True)
        opposite_loss(attention, cas, detach=detach).backward()
        assert (attention.grad is None) == detach and cas.grad.abs().sum() > 0


def test_terms_are_added_in_the_order_of_their_names_and_those_of_weight_zero_left_out():
    calls = []
    terms = {
        name: lambda name=name: calls.append(name) or torch.tensor(float(len(calls)))
        for name in ("b", "a", "c")
    }
    total, found = weighted_sum({"b": 2.0, "c": 0, "a": 0.5}, terms)
    assert calls == ["a", "b"] and list(found) == ["a", "b"]
    assert total == 0.5 * 1 + 2 * 2 and found["b"] == 2
