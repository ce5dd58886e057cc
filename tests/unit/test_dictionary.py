import pytest
import torch
from wstal.losses.dictionary import dictionary_loss, warmup_factor


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
