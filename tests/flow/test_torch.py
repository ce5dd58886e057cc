"""The torch backend against OpenCV and the C++ backend, its resampling against OpenCV."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from textured_motion import end_point_error, pairs, sequence, texture
from wstal.flow import tvl1
from wstal.flow.definition import TVL1Parameters, check_frames
from wstal.flow.tvl1_backends.torch import CubicWarp, central_gradient, median, resize, tvl1_torch


@pytest.mark.parametrize("gamma", [0.0, 0.1])
def test_one_scale_one_warp_is_opencvs(gamma):
    params = {"nscales": 1, "warps": 1, "gamma": gamma}
    frames = np.concatenate(pairs(2, 48, 61))
    error = end_point_error(tvl1(frames, "torch", **params), tvl1(frames, "opencv", **params))
    assert error.mean() < 1e-5


def test_full_defaults_are_opencvs():
    error = [end_point_error(tvl1(p, "torch"), tvl1(p, "opencv")).item() for p in pairs(16, 48, 64)]
    assert np.mean(error) < 0.05
    assert np.median(error) < 0.03


def test_cuda_semantics_agree_with_the_compiled_backend():
    frames = sequence(4, 48, 64, seed=3)
    torch_flow = tvl1(frames, "torch", "opencv_cuda")
    assert end_point_error(torch_flow, tvl1(frames, "cpu", "opencv_cuda")).mean() < 1e-3
    # and they are another function than OpenCV's CPU one, if not by much
    difference = end_point_error(torch_flow, tvl1(frames, "cpu")).mean()
    assert 0.005 < difference < 0.5


def test_pairs_of_a_batch_do_not_mix():
    images = torch.from_numpy(check_frames(np.concatenate(pairs(3, 40, 48))))
    parameters = TVL1Parameters(warps=2)
    together = tvl1_torch(images, parameters)
    singly = tvl1_torch(images, parameters, batch=1)
    # torch may add up in another order in another batch shape
    assert end_point_error(together.numpy(), singly.numpy()).mean() < 0.02
    assert together.shape == (5, 40, 48, 2)


def test_frames_of_any_type_and_layout_are_the_same_images():
    frames = sequence(3, 20, 24)
    backwards = frames[::-1]
    backwards.flags.writeable = False
    parameters = TVL1Parameters(nscales=1, warps=1)
    expected = tvl1_torch(torch.from_numpy(backwards.astype(np.float32)), parameters)
    assert torch.equal(tvl1_torch(backwards, parameters), expected)


def test_constant_images_do_not_move():
    assert not tvl1(np.full((2, 24, 30), 9, np.uint8), "torch").any()


@pytest.mark.gpu
@pytest.mark.parametrize("semantics", ["opencv_cpu", "opencv_cuda"])
def test_a_gpu_computes_the_same(semantics):
    frames = sequence(4, 48, 64)
    on_gpu = tvl1(frames, "torch", semantics, device="cuda")
    assert end_point_error(on_gpu, tvl1(frames, "torch", semantics)).mean() < 0.05


@pytest.mark.parametrize("size", [(48, 64), (41, 51), (33, 77), (80, 100)])
def test_resize_is_opencvs(size):
    image = texture(60, 81, 0)
    ratios = (60 / size[0], 81 / size[1])
    ours = resize(torch.from_numpy(image), size, ratios, cuda=False)
    np.testing.assert_allclose(ours, cv2.resize(image, size[::-1]), atol=2e-4)


def test_cuda_resize_has_pixel_centres_at_integers():
    ramp = torch.arange(10.0).expand(10, 10)
    small = resize(ramp, (8, 8), (1.25, 1.25), cuda=True)
    np.testing.assert_allclose(small[0], 1.25 * np.arange(8), atol=1e-5)


@pytest.mark.parametrize("side", [3, 5])
def test_median_is_opencvs(side):
    field = texture(20, 31, 1)
    ours = median(torch.from_numpy(field)[None, None], side)
    np.testing.assert_array_equal(ours[0, 0], cv2.medianBlur(field, side))


def test_warp_is_cubic_remap_with_a_zero_border():
    image, rng = texture(30, 41, 2), np.random.default_rng(0)
    x = np.float32(np.arange(41) + rng.normal(0, 6, (30, 41)))
    y = np.float32(np.arange(30)[:, None] + rng.normal(0, 6, (30, 41)))
    x[0, :3] = -5000, 5000, 41.5
    ours = CubicWarp(torch.from_numpy(image)[None, None], cuda=False)(
        torch.from_numpy(x)[None], torch.from_numpy(y)[None]
    )
    np.testing.assert_allclose(ours[0, 0], cv2.remap(image, x, y, cv2.INTER_CUBIC), atol=1e-3)


def test_cuda_warp_reproduces_lines_and_repeats_the_edge():
    ramp = torch.arange(12.0).expand(1, 1, 9, 12)
    x = torch.linspace(2, 9, 12).expand(1, 9, 12)
    y = torch.full((1, 9, 12), 4.3)
    torch.testing.assert_close(CubicWarp(ramp, cuda=True)(x, y)[0, 0], x[0], atol=1e-4, rtol=0)
    outside = CubicWarp(ramp, cuda=True)(torch.full((1, 9, 12), 90.0), y - 50)
    torch.testing.assert_close(outside, torch.full_like(outside, 11.0))


def test_gradient_is_halved_differences_at_the_ends_too():
    image = torch.tensor([[0.0, 2.0, 6.0], [1.0, 1.0, 1.0], [3.0, 0.0, 0.0]])
    gx, gy = central_gradient(image)
    torch.testing.assert_close(gx[0], torch.tensor([1.0, 3.0, 2.0]))
    torch.testing.assert_close(gy[:, 0], torch.tensor([0.5, 1.5, 1.0]))
