"""Backbones: pictures normalised as in training, public files loaded exactly, others refused.

S3D: the vector is what its classifier sees.

R(2+1)D-18: the vector is what its classifier sees.

ResNet-152: the vector is what the classifier sees of each picture, averaged.

I3D-R50: every second frame is seen; the vector is what the classifier sees.

SlowFast-R50: two pathways of one snippet; the vector is what the classifier sees.

X3D-M: the vector is what its classifier sees.

torchvision and pytorchvideo import, whatever build of torchvision is installed.
"""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from backbone_cases import (
    assert_equal,
    assert_published_layout,
    assert_rows_of_a_clip,
    snippet,
    untrained,
    vector_of,
)
from wstal.base.errors import WstalError
from wstal.networks import backbone as torchvision_guard
from wstal.networks.backbone import load_backbone, torchvision
from wstal.networks.backbones import r2plus1d, resnet152, s3d
from wstal.networks.backbones.slowfast_r50 import pathways

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


@torch.inference_mode()
def test_the_classifier_on_the_vector_gives_the_logits():
    network, vector = vector_of("s3d", x := snippet(16, 224))
    assert_equal(network.classifier(vector[..., None, None, None]).flatten(1), network(x))


def test_rows_of_a_clip(tmp_path):
    assert_rows_of_a_clip("s3d", tmp_path)


@torch.inference_mode()
def test_the_classifier_on_the_vector_gives_the_logits_r2plus1d():
    network, vector = vector_of("r2plus1d", x := snippet(16, 48))
    assert_equal(network.fc(vector), network(x))


def test_rows_of_a_clip_r2plus1d(tmp_path):
    assert_rows_of_a_clip("r2plus1d", tmp_path)


@torch.inference_mode()
def test_the_classifier_on_the_vector_gives_the_mean_logits():
    network, vector = vector_of("resnet152", x := snippet(3, 64))
    expected = network(x[0].transpose(0, 1)).mean(0, keepdim=True)
    assert_equal(network.fc(vector), expected)


def test_rows_of_a_clip_resnet152(tmp_path):
    assert_rows_of_a_clip("resnet152", tmp_path)


@torch.inference_mode()
def test_the_classifier_on_the_vector_gives_the_logits_i3d_r50():
    network, vector = vector_of("i3d_r50", x := snippet(16, 224))
    assert_equal(network.blocks[-1].proj(vector), network(x[:, :, ::2]))


def test_rows_of_a_clip_i3d_r50(tmp_path):
    assert_rows_of_a_clip("i3d_r50", tmp_path)


def test_the_layout_is_that_of_the_published_model():
    assert_published_layout("i3d_r50")


@torch.inference_mode()
def test_the_classifier_on_the_vector_gives_the_logits_slowfast_r50():
    """At the 32 frames that the published head pools over."""
    network, vector = vector_of("slowfast_r50", x := snippet(32, 224))
    assert_equal(network.blocks[-1].proj(vector), network(pathways(x)))


def test_slow_frames_are_those_of_training():
    slow, fast = pathways(torch.arange(16.0)[None, None, :, None, None])
    assert slow.flatten().tolist() == [0, 5, 10, 15] and fast.shape[2] == 16
    slow, _ = pathways(torch.arange(32.0)[None, None, :, None, None])
    assert slow.flatten().tolist() == [0, 4, 8, 13, 17, 22, 26, 31]


def test_rows_of_a_clip_slowfast_r50(tmp_path):
    assert_rows_of_a_clip("slowfast_r50", tmp_path)


def test_the_layout_is_that_of_the_published_model_slowfast_r50():
    assert_published_layout("slowfast_r50")


@torch.inference_mode()
def test_the_classifier_on_the_vector_gives_the_probabilities():
    network, vector = vector_of("x3d_m", x := snippet(16, 224))
    assert_equal(network.blocks[-1].proj(vector).softmax(1), network(x))


def test_rows_of_a_clip_x3d_m(tmp_path):
    assert_rows_of_a_clip("x3d_m", tmp_path)


def test_the_layout_is_that_of_the_published_model_x3d_m():
    assert_published_layout("x3d_m")


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
    assert torchvision_guard.define_missing_operators() == []
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
        "from wstal.networks.backbone import torchvision as guarded\n"
        "assert guarded is torchvision\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
