"""Backbones: pictures normalised as in training, public files loaded exactly, others refused.

The vector of each network is what its classifier sees; torchvision and pytorchvideo import, whatever
build of torchvision is installed.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from backbone_cases import (
    assert_equal,
    assert_published_layout,
    assert_rows_of_a_clip,
    entries,
    snippet,
    untrained,
    vector_of,
)
from wstal.base.errors import WstalError
from wstal.networks.backbone import load_backbone
from wstal.networks.backbones.pytorchvideo import pathways
from wstal.networks.torchvision_import import define_missing_operators, import_torchvision

torchvision = import_torchvision()
models = torchvision.models
PRESETS = {
    "resnet152": models.ResNet152_Weights.IMAGENET1K_V1,
    "s3d": models.video.S3D_Weights.KINETICS400_V1,
    "r2plus1d": models.video.R2Plus1D_18_Weights.KINETICS400_V1,
}


CONVOLUTIONS = ["resnet152", "s3d", "r2plus1d", "i3d_r50", "slowfast_r50", "x3d_m"]


def test_a_model_that_a_library_does_not_have_is_refused():
    entry = replace(entries()["s3d"], model="r3d")
    with pytest.raises(WstalError, match="no backbone 'r3d' here; `model:` can be resnet152, s3d"):
        load_backbone("r3d", entry, "untrained")


@pytest.mark.parametrize("name", PRESETS)
def test_torchvisions_own_presets_agree(name):
    preset, entry = PRESETS[name].transforms(), entries()[name]
    assert tuple(preset.mean) == entry.mean and tuple(preset.std) == entry.std


@torch.inference_mode()
def test_pictures_are_normalised_as_the_weights_were_trained():
    network, entry = untrained("r2plus1d"), entries()["r2plus1d"]
    pixels = np.random.default_rng(0).integers(0, 256, (2, 16, 32, 32, 3)).astype(np.float32)
    seen = ((pixels / 255 - entry.mean) / entry.std).transpose(0, 4, 1, 2, 3)
    _, expected = vector_of("r2plus1d", torch.from_numpy(seen).float())
    ours = network.features(torch.from_numpy(pixels / 127.5 - 1).permute(0, 4, 1, 2, 3))
    assert_equal(ours, expected)
    assert ours.shape == (2, network.feature_size) and not network.training


@pytest.mark.parametrize("wrapped", [False, True])
def test_public_files_load_and_others_are_refused(tmp_path, wrapped):
    """torchvision publishes plain state dicts, pytorchvideo puts them under `model_state`."""
    network = models.video.r2plus1d_18(weights=None)
    state = {key: value + 1 for key, value in network.state_dict().items()}
    torch.save({"model_state": state, "epoch": 3} if wrapped else state, tmp_path / "public.pth")
    entry = entries()["r2plus1d"]
    loaded = load_backbone("r2plus1d", entry, tmp_path / "public.pth").network.state_dict()
    assert all(torch.equal(loaded[key], state[key]) for key in state if "num_b" not in key)
    torch.save({**state, "fc.bias": state["fc.bias"][:1]}, tmp_path / "other.pth")
    with pytest.raises(WstalError, match="fc.bias has shape"):
        load_backbone("r2plus1d", entry, tmp_path / "other.pth")


def test_untrained_is_seeded_and_leaves_the_generator_alone():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    one, two = load_backbone("r2plus1d", entries()["r2plus1d"], "untrained"), untrained("r2plus1d")
    assert torch.rand(1) == expected
    assert torch.equal(one.network.fc.weight, two.network.fc.weight)


@torch.inference_mode()
def test_s3ds_classifier_on_the_vector_gives_the_logits():
    network, vector = vector_of("s3d", x := snippet(16, 224))
    assert_equal(network.classifier(vector[..., None, None, None]).flatten(1), network(x))


@torch.inference_mode()
def test_r2plus1ds_classifier_on_the_vector_gives_the_logits():
    network, vector = vector_of("r2plus1d", x := snippet(16, 48))
    assert_equal(network.fc(vector), network(x))


@torch.inference_mode()
def test_resnet152s_classifier_on_the_vector_gives_the_mean_logits():
    network, vector = vector_of("resnet152", x := snippet(3, 64))
    expected = network(x[0].transpose(0, 1)).mean(0, keepdim=True)
    assert_equal(network.fc(vector), expected)


@torch.inference_mode()
def test_i3d_r50s_classifier_on_the_vector_gives_the_logits():
    network, vector = vector_of("i3d_r50", x := snippet(16, 224))
    assert_equal(network.blocks[-1].proj(vector), network(x[:, :, ::2]))


@torch.inference_mode()
def test_slowfasts_classifier_on_the_vector_gives_the_logits():
    """At the 32 frames that the published head pools over."""
    network, vector = vector_of("slowfast_r50", x := snippet(32, 224))
    assert_equal(network.blocks[-1].proj(vector), network(pathways(x)))


def test_slow_frames_are_those_of_training():
    slow, fast = pathways(torch.arange(16.0)[None, None, :, None, None])
    assert slow.flatten().tolist() == [0, 5, 10, 15] and fast.shape[2] == 16
    slow, _ = pathways(torch.arange(32.0)[None, None, :, None, None])
    assert slow.flatten().tolist() == [0, 4, 8, 13, 17, 22, 26, 31]


@torch.inference_mode()
def test_x3ds_classifier_on_the_vector_gives_the_probabilities():
    network, vector = vector_of("x3d_m", x := snippet(16, 224))
    assert_equal(network.blocks[-1].proj(vector).softmax(1), network(x))


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_rows_of_a_clip(name, tmp_path):
    assert_rows_of_a_clip(name, tmp_path)


@pytest.mark.parametrize("name", ["i3d_r50", "slowfast_r50", "x3d_m"])
def test_the_layout_is_that_of_the_published_model(name):
    assert_published_layout(name)


def test_torchvision_backbones_run():
    network = torchvision.models.video.s3d(weights=None).eval()
    assert network.classifier[-1].out_channels == 400


def test_pytorchvideo_models_and_transforms_import():
    import pytorchvideo.models
    from pytorchvideo.transforms import augmentations

    assert callable(pytorchvideo.models.create_slowfast)
    assert callable(augmentations.F_t.affine)


def test_pytorchvideo_backbone_computes():
    from pytorchvideo.models.x3d import create_x3d

    network = create_x3d(input_clip_length=4, input_crop_size=64, model_num_class=5).eval()
    with torch.no_grad():
        assert network(torch.zeros(1, 3, 4, 64, 64)).shape == (1, 5)


def test_defines_only_what_is_absent():
    assert define_missing_operators() == []
    for name in ("nms", "qnms"):
        assert hasattr(torch.ops.torchvision, name)


def test_a_torchvision_imported_before_is_left_alone():
    code = (
        "import torch\n"
        "try:\n"
        "    import torchvision\n"
        "except RuntimeError:\n"  # a build without these two, which others define (twice aborts)
        "    s = '(Tensor a, Tensor b, float c) -> Tensor'\n"
        "    for n in ('nms', 'qnms'):\n"
        "        torch.library.define(f'torchvision::{n}', s)\n"
        "    import torchvision\n"
        "from wstal.networks.torchvision_import import import_torchvision\n"
        "assert import_torchvision() is torchvision\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
