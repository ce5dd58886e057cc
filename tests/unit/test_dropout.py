import pytest
import torch
from wstal.models.dropout import Dropout


@pytest.mark.parametrize("p", [0.5, 0.7])
def test_rate_scale_and_gradient(p):
    torch.manual_seed(0)
    x = torch.ones(400, 501, requires_grad=True)
    y = Dropout(p)(x)
    kept = y > 0
    assert kept.float().mean().item() == pytest.approx(1 - p, abs=4e-3)
    torch.testing.assert_close(y[kept], torch.full_like(y[kept], 1 / (1 - p)), rtol=1e-4, atol=0)
    y.sum().backward()
    assert torch.equal(x.grad, y.detach())


def test_neighbours_and_calls_are_independent():
    torch.manual_seed(0)
    layer, x = Dropout(0.5), torch.ones(100_000)
    first, second = layer(x) > 0, layer(x) > 0
    for a, b in ((first, second), (first[1:], first[:-1]), (first[4:], first[:-4])):
        assert (a == b).float().mean().item() == pytest.approx(0.5, abs=0.01)


def test_the_state_of_torch_alone_fixes_the_draw():
    layer, x = Dropout(0.5), torch.ones(50)
    torch.manual_seed(3)
    state = torch.get_rng_state()
    first = layer(x)
    torch.set_rng_state(state)
    assert torch.equal(layer(x), first)


def test_evaluation_and_zero_change_nothing():
    x = torch.rand(7)
    assert Dropout(0.5).eval()(x) is x
    assert Dropout(0)(x) is x
