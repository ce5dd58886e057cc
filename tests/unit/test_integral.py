import pytest
import torch
from wstal.losses.integral import between, prefix_sums


def test_integrals_of_a_step_function_by_hand():
    prefix = prefix_sums(torch.tensor([[1.0, 3.0, 5.0]]))
    assert prefix.tolist() == [[0, 1, 4, 9]]
    start = torch.tensor([[0.0, 0.5, 1.25, -4.0, 2.0, 3.0]])
    stop = torch.tensor([[3.0, 1.5, 1.75, 1.0, 9.0, 8.0]])
    assert between(prefix, start, stop).tolist() == [[9, 0.5 + 1.5, 1.5, 1, 5, 0]]


def test_the_derivative_is_the_value_at_the_boundary():
    prefix = prefix_sums(torch.tensor([[1.0, 3.0, 5.0]]))
    start = torch.tensor([[0.25, 1.5, -1.0]], dtype=torch.float64, requires_grad=True)
    stop = torch.tensor([[1.75, 2.5, 4.0]], dtype=torch.float64, requires_grad=True)
    between(prefix, start, stop).sum().backward()
    assert start.grad.tolist() == [[-1, -3, 0]]
    assert stop.grad.tolist() == [[3, 5, 0]]


def test_rows_and_shapes_are_kept():
    x = torch.rand(3, 7)
    start = torch.rand(3, 2, 4) * 3
    found = between(prefix_sums(x), start, start + 2)
    assert found.shape == (3, 2, 4)
    alone = between(prefix_sums(x[1:2]), start[1:2], start[1:2] + 2)
    assert torch.equal(found[1:2], alone)


def test_gradients_against_finite_differences():
    torch.manual_seed(0)
    prefix = prefix_sums(torch.rand(2, 9))
    edges = (torch.rand(2, 5, dtype=torch.float64) * 9).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda at: between(prefix, at, at + 2.37), (edges,), eps=1e-6, atol=1e-6
    )


@pytest.mark.parametrize("length", [1, 2])
def test_the_shortest_sequences(length):
    prefix = prefix_sums(torch.ones(1, length))
    found = between(prefix, torch.tensor([[-1.0]]), torch.tensor([[5.0]]))
    assert found.item() == length
