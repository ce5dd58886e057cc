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
