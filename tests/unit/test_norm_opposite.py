import pytest
import torch
from wstal.errors import WstalError
from wstal.losses.norm import norm_loss
from wstal.losses.opposite import opposite_loss


def test_norm_is_a_mean_and_in_the_paper_a_sum_over_time():
    attentions = torch.tensor([[[0.2, 0.4]], [[0.6, 0.8]]])
    assert norm_loss(attentions).item() == pytest.approx(0.5)
    assert norm_loss(attentions, "l1").item() == pytest.approx(1.0)
    with pytest.raises(WstalError, match="not one of mean, l1"):
        norm_loss(attentions, "l2")


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
    (norm_loss(attention) + opposite_loss(attention, cas)).backward()
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
    for wrong in ({"background": "odds"}, {"reduction": "max"}):
        with pytest.raises(WstalError, match="is not one of"):
            opposite_loss(attention, cas, **wrong)


def test_detached_attention_only_teaches_the_background():
    cas = torch.zeros(1, 3, 4, requires_grad=True)
    for detach in (False, True):
        attention = torch.full((1, 1, 3), 0.3, requires_grad=True)
        opposite_loss(attention, cas, detach=detach).backward()
        assert (attention.grad is None) == detach and cas.grad.abs().sum() > 0
