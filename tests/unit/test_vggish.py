"""VGGish equals torchvggish's network."""

import pytest
import torch
from torchvggish.torchvggish import VGG, make_layers
from wstal.errors import WstalError
from wstal.nets.vggish import VGGish


@pytest.fixture(scope="module")
def oracle():
    torch.manual_seed(0)
    return VGG(make_layers(), postprocess=False).eval()


@torch.no_grad()
def test_equals_torchvggish(oracle):
    ours = VGGish().eval()
    ours.load_state_dict(oracle.state_dict(), strict=True)
    x = torch.randn(2, 1, 96, 64)
    torch.testing.assert_close(ours(x), oracle(x), rtol=1e-5, atol=1e-5)
    before = VGGish(activation="pre").eval()
    before.load_state_dict(oracle.state_dict())
    assert before(x).min() < 0
    torch.testing.assert_close(before(x).relu(), oracle(x), rtol=1e-5, atol=1e-5)


def test_width_narrows_all_but_the_embedding():
    narrow = VGGish(width=0.125)
    assert narrow(torch.zeros(3, 1, 96, 64)).shape == (3, 128)
    assert narrow.features[0].out_channels == 8
    assert sum(p.numel() for p in narrow.parameters()) < 1.5e6


def test_refuses_an_unknown_activation():
    with pytest.raises(WstalError, match="'relu'"):
        VGGish(activation="relu")
