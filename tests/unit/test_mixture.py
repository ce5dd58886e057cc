"""The mixture of chunks against loops over videos, chunks and classes."""

import math

import pytest
import torch
from wstal.losses.mil import probability_loss
from wstal.losses.mixture import attended_logits, chunk_mixture


def softmax(values):
    weights = [math.exp(v - max(values)) for v in values]
    return [w / sum(weights) for w in weights]


def by_loops(logits, attention, chunks):
    """One video: lists `[N][C]` and `[N]` -> `[C]`."""
    size, classes = len(logits) // chunks, len(logits[0])
    weights, probabilities = [], []
    for m in range(chunks):
        rows = range(m * size, (m + 1) * size)
        weights.append(sum(attention[i] for i in rows) / size)
        probabilities.append(
            softmax([sum(logits[i][c] for i in rows) / size for c in range(classes)])
        )
    weights = softmax(weights)
    return [sum(weights[m] * probabilities[m][c] for m in range(chunks)) for c in range(classes)]


def test_mixture_by_loops():
    torch.manual_seed(0)
    logits, attention = torch.randn(3, 21, 4).double() * 3, torch.randn(3, 21).double() * 3
    found = chunk_mixture(logits, attention, 7)
    for video in range(3):
        expected = by_loops(logits[video].tolist(), attention[video].tolist(), 7)
        assert found[video].tolist() == pytest.approx(expected, abs=1e-12)
    assert found.sum(1).tolist() == pytest.approx([1, 1, 1], abs=1e-12)


def test_mixture_of_probabilities_not_of_logits():
    """Two chunks of one snippet, sure of a class each, attended alike: half and half."""
    logits = torch.tensor([[[30.0, 0.0], [0.0, 90.0]]], dtype=torch.float64)
    found = chunk_mixture(logits, torch.zeros(1, 2, dtype=torch.float64), 2)
    assert found[0].tolist() == pytest.approx([0.5, 0.5], abs=1e-9)


def test_loss_by_hand_with_two_labels():
    """-1/2 (log p_0 + log p_2), with attention ln 3 the weights are 3/4 and 1/4."""
    logits = torch.log(torch.tensor([[[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]]], dtype=torch.float64))
    attention = torch.tensor([[math.log(3.0), 0.0]], dtype=torch.float64)
    mixture = chunk_mixture(logits, attention, 2)
    first, third = 0.75 * 0.5 + 0.25 * 0.1, 0.75 * 0.25 + 0.25 * 0.8
    labels = torch.tensor([[1.0, 0.0, 1.0]], dtype=torch.float64)
    expected = -(math.log(first + 1e-8) + math.log(third + 1e-8)) / 2
    assert float(probability_loss(mixture, labels, 1e-8)) == pytest.approx(expected, abs=1e-12)


def test_gradient_by_finite_differences():
    torch.manual_seed(1)
    inputs = (
        torch.randn(2, 6, 3, dtype=torch.float64, requires_grad=True),
        torch.randn(2, 6, dtype=torch.float64, requires_grad=True),
    )
    assert torch.autograd.gradcheck(lambda x, a: chunk_mixture(x, a, 3), inputs, atol=1e-7)


def test_video_logits_are_weighted_by_flattened_attention():
    logits = torch.tensor([[[1.0, 0.0], [5.0, 2.0]]], dtype=torch.float64)
    attention = torch.tensor([[0.0, 3 * math.log(4.0)]], dtype=torch.float64)
    found = attended_logits(logits, attention, 3.0)[0]
    assert found.tolist() == pytest.approx([0.2 * 1 + 0.8 * 5, 0.8 * 2], abs=1e-12)
