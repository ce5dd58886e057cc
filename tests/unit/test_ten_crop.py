"""Ten-crop equals torchvision's views; a mirrored flow moves the other way."""

import cv2
import numpy as np
import pytest
import torch
from torch import nn
from wstal.errors import WstalError
from wstal.flow import tvl1
from wstal.nets.ten_crop import TenCrop
from wstal.nets.torchvision_guard import torchvision


class Flat(nn.Module):
    """The pixels themselves as a vector, so that nothing is averaged away."""

    def features(self, x):
        return x.flatten(1)


def test_views_are_torchvisions():
    x = torch.rand(2, 3, 4, 10, 14)
    ten = list(TenCrop(Flat(), 6).crops(x))
    expected = torchvision.transforms.functional.ten_crop(x, 6)
    theirs = {view.contiguous().numpy().tobytes() for view in expected}  # in another order
    assert len(ten) == len(theirs) == 10
    assert {view.contiguous().numpy().tobytes() for view in ten} == theirs


def test_mean_over_the_views():
    x = torch.rand(2, 3, 4, 9, 7)
    ten = TenCrop(Flat(), 5)
    expected = torch.stack([view.flatten(1) for view in ten.crops(x)]).mean(0)
    torch.testing.assert_close(ten.features(x), expected)


def test_a_mirrored_flow_is_the_flow_of_mirrored_pictures():
    """A pattern moved by (1, 2) px, mirrored: the flow found is what the crop says."""
    rng = np.random.default_rng(0)
    picture = cv2.GaussianBlur(rng.uniform(0, 255, (80, 80)).astype(np.float32), (0, 0), 3)
    picture = np.clip((picture - picture.mean()) * 6 + 128, 0, 255).astype(np.uint8)
    frames = np.stack([picture, np.roll(picture, (2, 1), (0, 1))])
    flow = torch.from_numpy(tvl1(frames)).float().permute(3, 0, 1, 2)[None]
    mirrored = torch.from_numpy(tvl1(np.ascontiguousarray(frames[:, :, ::-1]))).permute(3, 0, 1, 2)
    view = list(TenCrop(Flat(), 48).crops(flow))[9][0]
    expected = mirrored[:, :, 16:64, 16:64]
    assert (view - expected).abs().median() < 0.02
    assert abs(expected[0].median() + 1) < 0.1 and abs(expected[1].median() - 2) < 0.1


@pytest.mark.parametrize(("channels", "dtype"), [(3, torch.uint8), (2, torch.int8)])
def test_views_of_codes_are_the_codes_of_views(channels, dtype):
    codes = torch.randint(-127, 128, (1, channels, 2, 6, 8)).to(dtype)
    assert not TenCrop(Flat(), 4).takes_codes
    network = Flat()
    network.takes_codes = True
    ten = TenCrop(network, 4)
    assert ten.takes_codes
    for view, expected in zip(ten.crops(codes), ten.crops(codes.float()), strict=True):
        assert view.dtype == dtype and torch.equal(view.float(), expected)


def test_small_pictures_are_refused():
    with pytest.raises(WstalError, match="7x9"):
        list(TenCrop(Flat(), 8).crops(torch.rand(1, 3, 2, 9, 7)))
