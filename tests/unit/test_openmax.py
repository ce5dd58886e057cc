import pytest
import torch
from wstal.errors import WstalError
from wstal.models.openmax import OpenMax, SoftMax, build_classifier


@pytest.mark.parametrize("kind", [OpenMax, SoftMax])
def test_probabilities_sum_to_one(kind):
    torch.manual_seed(0)
    found = kind(6, 4).double()(torch.randn(2, 7, 6, dtype=torch.float64))
    assert found.probabilities.shape == (2, 7, 5) and (found.probabilities > 0).all()
    torch.testing.assert_close(found.probabilities.sum(-1), torch.ones(2, 7).double())
    torch.testing.assert_close(found.foreground, 1 - found.probabilities[..., -1])
    assert found.class_logits.shape == (2, 7, 4)


def test_openmax_by_hand():
    head = OpenMax(2, 2)
    with torch.no_grad():
        head.classes.weight.copy_(torch.eye(2))
        head.foreground.weight.copy_(torch.tensor([[1.0, 0.0]]))
        head.classes.bias.zero_()
        head.foreground.bias.zero_()
    found = head(torch.tensor([[[2.0, 0.0]]]))
    mu, first = torch.sigmoid(torch.tensor(2.0)), torch.sigmoid(torch.tensor(2.0))
    expected = torch.stack([mu * first, mu * (1 - first), 1 - mu])
    torch.testing.assert_close(found.probabilities[0, 0], expected)


def test_softmax_has_background_last():
    head = SoftMax(1, 2)
    with torch.no_grad():
        head.classes.weight.zero_()
        head.classes.bias.copy_(torch.tensor([0.0, 0.0, 9.0]))
    assert head(torch.zeros(1, 1, 1)).foreground < 1e-3


def test_unknown_classifier_is_refused():
    with pytest.raises(WstalError, match="not one of openmax, softmax"):
        build_classifier("sigmoid", 2, 2)
