"""torchvision and pytorchvideo import, whatever build of torchvision is installed."""

import subprocess
import sys

import torch
from wstal.nets import torchvision_guard
from wstal.nets.torchvision_guard import torchvision


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
        "from wstal.nets.torchvision_guard import torchvision as guarded\n"
        "assert guarded is torchvision\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
