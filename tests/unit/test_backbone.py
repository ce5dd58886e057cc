"""Backbones: pictures normalised as in training, public files loaded exactly, others refused."""

import numpy as np
import pytest
import torch
from backbone_cases import assert_equal, untrained
from wstal.errors import WstalError
from wstal.nets.backbone import load_backbone
from wstal.nets.backbones import r2plus1d, resnet152, s3d
from wstal.nets.torchvision_guard import torchvision

models = torchvision.models
PRESETS = {
    resnet152: models.ResNet152_Weights.IMAGENET1K_V1,
    s3d: models.video.S3D_Weights.KINETICS400_V1,
    r2plus1d: models.video.R2Plus1D_18_Weights.KINETICS400_V1,
}


@pytest.mark.parametrize("module", PRESETS)
def test_torchvisions_own_presets_agree(module):
    preset = PRESETS[module].transforms()
    assert tuple(preset.mean) == module.MEAN and tuple(preset.std) == module.STD


@torch.inference_mode()
def test_pictures_are_normalised_as_the_weights_were_trained():
    network = untrained("r2plus1d")
    pixels = np.random.default_rng(0).integers(0, 256, (2, 16, 32, 32, 3)).astype(np.float32)
    seen = ((pixels / 255 - r2plus1d.MEAN) / r2plus1d.STD).transpose(0, 4, 1, 2, 3)
    expected = r2plus1d.features(network.network, torch.from_numpy(seen).float())
    ours = network.features(torch.from_numpy(pixels / 127.5 - 1).permute(0, 4, 1, 2, 3))
    assert_equal(ours, expected)
    assert ours.shape == (2, network.feature_size) and not network.training


@pytest.mark.parametrize("wrapped", [False, True])
def test_public_files_load_and_others_are_refused(tmp_path, wrapped):
    """torchvision publishes plain state dicts, pytorchvideo puts them under `model_state`."""
    network = models.video.r2plus1d_18(weights=None)
    state = {key: value + 1 for key, value in network.state_dict().items()}
    torch.save({"model_state": state, "epoch": 3} if wrapped else state, tmp_path / "public.pth")
    loaded = load_backbone("r2plus1d", tmp_path / "public.pth").network.state_dict()
    assert all(torch.equal(loaded[key], state[key]) for key in state if "num_b" not in key)
    torch.save({**state, "fc.bias": state["fc.bias"][:1]}, tmp_path / "other.pth")
    with pytest.raises(WstalError, match="fc.bias has shape"):
        load_backbone("r2plus1d", tmp_path / "other.pth")


def test_untrained_is_seeded_and_leaves_the_generator_alone():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    one, two = load_backbone("r2plus1d", "untrained"), untrained("r2plus1d")
    assert torch.rand(1) == expected
    assert torch.equal(one.network.fc.weight, two.network.fc.weight)
