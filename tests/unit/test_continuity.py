import pytest
import torch
from wstal.losses.continuity import continuity_loss
from wstal.losses.window import gaussian

WEIGHTS = gaussian(4, 1.0)


def openmax(foreground, inside):
    """mu and the share of mu that the first of two classes has -> probabilities."""
    first = foreground * inside
    return torch.stack([first, foreground - first, 1 - foreground], -1)


def test_vanishes_where_nothing_changes_and_the_class_is_sure():
    mu = torch.full((2, 7), 0.6, dtype=torch.float64)
    labels = torch.tensor([[1.0, 0.0]] * 2, dtype=torch.float64)
    found = continuity_loss(mu, openmax(mu, torch.ones_like(mu)), labels, WEIGHTS)
    assert found.item() == pytest.approx(0, abs=1e-7)


def test_an_unsure_class_draws_the_foreground_down():
    mu = torch.full((1, 7), 0.6, dtype=torch.float64, requires_grad=True)
    inside = torch.full((1, 7), 0.25, dtype=torch.float64)
    labels = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    found = continuity_loss(mu, openmax(mu, inside), labels, WEIGHTS)
    assert found.item() == pytest.approx(0.6 * 0.75, abs=1e-7)
    both = continuity_loss(mu, openmax(mu, inside), torch.ones(1, 2).double(), WEIGHTS)
    assert both.item() == pytest.approx(0, abs=1e-7)  # the labels' probabilities add up
    none = continuity_loss(mu, openmax(mu, inside), torch.zeros(1, 2).double(), WEIGHTS)
    assert none.item() == pytest.approx(0.6, abs=1e-7)  # background only: drawn to 0


def test_a_step_in_closed_form():
    mu = torch.cat([torch.zeros(1, 10), torch.ones(1, 10)], 1).double()
    found = continuity_loss(mu, openmax(mu, torch.ones_like(mu)), torch.eye(2)[:1], WEIGHTS)
    _, side, peak, _, last = WEIGHTS.double().tolist()
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
        return continuity_loss(mu, openmax(mu, inside), labels, WEIGHTS.double(), mask)

    assert torch.autograd.gradcheck(value, (mu, inside))


def test_padding_takes_no_part():
    torch.manual_seed(0)
    mu = torch.rand(2, 6, dtype=torch.float64)
    p, labels = openmax(mu, torch.rand(2, 6).double()), torch.eye(2).double()
    mask = torch.tensor([[True] * 4 + [False] * 2] * 2)
    found = continuity_loss(mu, p, labels, WEIGHTS, mask)
    alone = continuity_loss(mu[:, :4], p[:, :4], labels, WEIGHTS)
    assert found.item() == pytest.approx(alone.item(), rel=1e-12)
