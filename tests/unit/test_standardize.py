import pytest
import torch
from wstal.data.standardize import Standardization
from wstal.errors import WstalError


def test_training_rows_get_zero_mean_and_unit_spread():
    rows = torch.randn(200, 3) * torch.tensor([1.0, 5.0, 0.0]) + 7
    out = Standardization.of(rows, "train")(rows)
    torch.testing.assert_close(out.mean(0), torch.zeros(3), atol=1e-5, rtol=0)
    assert out.std(0)[:2].tolist() == pytest.approx([1, 1], abs=0.01)
    assert out[:, 2].abs().max() < 1e-5  # a constant channel is only shifted


def test_none_changes_nothing():
    rows = torch.randn(4, 3)
    assert Standardization.of(rows, "none")(rows) is rows


def test_unknown_mode_is_refused():
    with pytest.raises(WstalError, match="'test' is not one of none, train"):
        Standardization.of(torch.zeros(2, 2), "test")
