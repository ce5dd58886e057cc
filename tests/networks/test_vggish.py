"""VGGish and its postprocess equal torchvggish's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchvggish.torchvggish import VGG, Postprocessor, make_layers
from wstal.base.errors import WstalError
from wstal.networks.vggish import VGGish, load_postprocess


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


@pytest.fixture
def parameters(tmp_path):
    rng = np.random.default_rng(0)
    values = {
        "pca_eigen_vectors": rng.standard_normal((128, 128)) / 8,
        "pca_means": rng.standard_normal((128, 1)),
    }
    torch.save(values, tmp_path / "pca.pth")
    return tmp_path / "pca.pth", values


def test_postprocess_equals_torchvggish(parameters, monkeypatch):
    path, values = parameters
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", lambda url: values)
    embeddings = torch.randn(7, 128, generator=torch.Generator().manual_seed(1)) * 1.5
    expected = Postprocessor().postprocess(embeddings)
    ours = load_postprocess(path, "pca8")(embeddings)
    assert (ours - expected).abs().max() <= 1, "a product on the border may round either way"
    assert (ours == expected).float().mean() > 0.99 and len(ours.unique()) > 200
    assert ours.min() == 0 and ours.max() == 255, "some components are cut"


def test_components_without_quantisation(parameters):
    path, values = parameters
    embeddings = torch.randn(3, 128)
    ours = load_postprocess(path, "pca")(embeddings)
    expected = values["pca_eigen_vectors"] @ (embeddings.numpy().T - values["pca_means"])
    np.testing.assert_allclose(ours, expected.T, rtol=1e-4, atol=1e-5)


def test_other_files_and_kinds_are_refused(parameters, tmp_path):
    with pytest.raises(WstalError, match="none, pca, pca8"):
        load_postprocess(parameters[0], "pca4")
    torch.save({"a": torch.ones(2)}, tmp_path / "other.pth")
    with pytest.raises(WstalError, match="pca_means"):
        load_postprocess(tmp_path / "other.pth", "pca")
    torch.save({**parameters[1], "pca_means": np.zeros(64)}, tmp_path / "small.pth")
    with pytest.raises(WstalError, match=r"\[64\]"):
        load_postprocess(tmp_path / "small.pth", "pca")
