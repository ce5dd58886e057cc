import numpy as np
import pytest
import torch
from wstal.losses.pseudo import active_share, agreed_class, pseudo_loss
from wstal.losses.window import uniform

P = torch.tensor(
    [[[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.7, 0.3], [0.9, 0.1]]], dtype=torch.float64
)


def test_neighbours_decide_the_class_and_whether_it_counts():
    label, active = agreed_class(P, uniform(2), 0.65)
    # means over three (two at the ends): .85, .6, .53, .57, .8 of class 0
    assert label.tolist() == [[0, 0, 0, 0, 0]]
    assert active.tolist() == [[True, False, False, False, True]]
    assert active_share(active).item() == pytest.approx(0.4)
    expected = -2 * np.log(0.9 + 1e-7) / 5
    assert pseudo_loss(P, label, active).item() == pytest.approx(expected, rel=1e-12)


def test_a_snippet_learns_the_class_its_neighbours_have():
    p = torch.tensor([[[0.9, 0.1], [0.4, 0.6], [0.9, 0.1]]]).double().requires_grad_()
    label, active = agreed_class(p, uniform(2), 0.7)
    assert label.tolist() == [[0, 0, 0]] and active[0, 1]
    pseudo_loss(p, label, active).backward()
    assert p.grad[0, 1, 0] < 0 and p.grad[0, 1, 1] == 0


def test_constant_and_certain_sequences_cost_nothing():
    p = torch.tensor([0.0, 1.0]).double().expand(2, 6, 2)
    label, active = agreed_class(p, uniform(4), 0.9)
    assert active.all() and pseudo_loss(p, label, active).item() == pytest.approx(0, abs=1e-6)
    assert not agreed_class(torch.full((1, 6, 2), 0.5), uniform(4), 0.7)[1].any()


def test_padding_takes_no_part():
    padded = torch.cat([P, torch.ones(1, 2, 2).double()], 1)
    mask = torch.tensor([[True] * 5 + [False] * 2])
    label, active = agreed_class(padded, uniform(2), 0.65, mask)
    assert active[0].tolist() == [True, False, False, False, True, False, False]
    assert active_share(active, mask).item() == pytest.approx(0.4)
    alone = pseudo_loss(P, *agreed_class(P, uniform(2), 0.65))
    assert pseudo_loss(padded, label, active, mask).item() == pytest.approx(alone.item())


def test_gradient_is_that_of_finite_differences():
    p = P.clone().requires_grad_()
    label, active = agreed_class(p, uniform(2), 0.65)
    assert torch.autograd.gradcheck(lambda x: pseudo_loss(x, label, active), (p,))
