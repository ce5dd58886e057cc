"""VGGish's postprocess equals torchvggish's."""

import numpy as np
import pytest
import torch
from torchvggish.torchvggish import Postprocessor
from wstal.errors import WstalError
from wstal.nets.vggish_postprocess import load_postprocess


@pytest.fixture
def parameters(tmp_path):
    rng = np.random.default_rng(0)
    values = {
        "pca_eigen_vectors": rng.standard_normal((128, 128)) / 8,
        "pca_means": rng.standard_normal((128, 1)),
    }
    torch.save(values, tmp_path / "pca.pth")
    return tmp_path / "pca.pth", values


def test_equals_torchvggish(parameters, monkeypatch):
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
