import numpy as np
import pytest
import torch
from wstal.errors import WstalError
from wstal.losses.mil import (
    background_only,
    mil_loss,
    probability_loss,
    snippets_kept,
    suppress,
    video_logits,
)


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
    assert suppress(cas, half).tolist() == [[[1.0, -1.0, 0.0]]]
    assert suppress(cas, half, "product").tolist() == [[[1.5, -0.5, 0.5]]]
    assert torch.equal(suppress(cas, torch.ones(1, 1)), cas)


def test_suppression_passes_gradient_to_minimum_and_attention():
    cas = torch.tensor([[[3.0, -1.0]]], requires_grad=True)
    attention = torch.tensor([[0.25]], requires_grad=True)
    suppress(cas, attention)[0, 0, 0].backward()
    assert cas.grad.tolist() == [[[0.25, 0.75]]]
    assert attention.grad.tolist() == [[4.0]]


def test_unknown_suppression_is_refused():
    with pytest.raises(WstalError, match="not one of anchored, product"):
        suppress(torch.zeros(1, 1, 2), torch.zeros(1, 1), "minimum")


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
