import pytest
import torch
from torch.distributions import Bernoulli, kl_divergence
from wstal.errors import WstalError
from wstal.losses.mutual import DISTANCES, mutual_loss


@pytest.fixture
def attentions():
    torch.manual_seed(0)
    return [torch.rand(3, 7, dtype=torch.float64, requires_grad=True) for _ in range(2)]


def test_mse_has_half_the_gradient_of_the_plain_distance(attentions):
    a, b = attentions
    loss = mutual_loss(a, b)
    assert loss.item() == pytest.approx(((a - b) ** 2).mean().item())
    loss.backward()
    torch.testing.assert_close(a.grad, (a - b).detach() / a.numel())
    torch.testing.assert_close(b.grad, -a.grad)


def test_mae(attentions):
    a, b = attentions
    assert mutual_loss(a, b, "mae").item() == pytest.approx((a - b).abs().mean().item())


def test_kl_and_js_are_those_of_bernoulli_variables(attentions):
    a, b = (Bernoulli(probs=x.detach()) for x in attentions)
    middle = Bernoulli(probs=(a.probs + b.probs) / 2)
    kl = (kl_divergence(b, a) + kl_divergence(a, b)).mean() / 2
    js = (kl_divergence(a, middle) + kl_divergence(b, middle)).mean() / 2
    assert mutual_loss(*attentions, "kl").item() == pytest.approx(kl.item(), rel=1e-6)
    assert mutual_loss(*attentions, "js").item() == pytest.approx(js.item(), rel=1e-6)


def _kl_gradient(a, b):
    """Of KL(b || a) by a: that of KL(a || b) would be a difference of logits."""
    return (a - b) / (a * (1 - a))


def _js_gradient(a, b):
    """By a; what comes through the middle cancels."""
    middle = (a + b) / 2
    return (torch.logit(a) - torch.logit(middle)) / 2


GRADIENTS = {
    "mse": lambda a, b: 2 * (a - b),
    "mae": lambda a, b: (a - b).sign(),
    "kl": _kl_gradient,
    "js": _js_gradient,
}


@pytest.mark.parametrize("distance", DISTANCES)
def test_each_attention_learns_from_the_other_held_fixed(attentions, distance):
    a, b = attentions
    mutual_loss(a, b, distance).backward()
    for own, other in ((a, b), (b, a)):
        expected = GRADIENTS[distance](own.detach(), other.detach()) / 2 / own.numel()
        torch.testing.assert_close(own.grad, expected, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("distance", ["kl", "js"])
@pytest.mark.parametrize("extreme", [0.0, 1e-9, 1.0])
def test_saturated_attentions_still_learn(distance, extreme):
    own = torch.tensor([[extreme]], requires_grad=True)
    other = torch.tensor([[0.3]])
    mutual_loss(own, other, distance).backward()
    tiny = torch.finfo(torch.float32).eps
    nearest = torch.tensor([[extreme]], dtype=torch.float64).clamp(tiny, 1 - tiny)
    expected = GRADIENTS[distance](nearest, other.double()) / 2
    torch.testing.assert_close(own.grad.double(), expected, rtol=1e-2, atol=0)


@pytest.mark.parametrize("distance", DISTANCES)
def test_equal_attentions_are_at_rest_and_extremes_stay_finite(distance):
    same = torch.tensor([[0.0, 0.5, 1.0]], requires_grad=True)
    assert mutual_loss(same, same.detach().clone(), distance).item() == pytest.approx(0, abs=1e-6)
    loss = mutual_loss(same, torch.tensor([[1.0, 0.5, 0.0]]), distance)
    loss.backward()
    assert loss.isfinite() and same.grad.isfinite().all()


def test_unknown_distance_is_refused():
    with pytest.raises(WstalError, match="'l3' is not one of mse, mae, kl, js"):
        mutual_loss(torch.rand(1, 2), torch.rand(1, 2), "l3")
