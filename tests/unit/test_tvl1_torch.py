"""The torch backend against OpenCV and the C++ one."""

import numpy as np
import pytest
import torch
from textured_motion import end_point_error, pairs, sequence
from wstal.flow import tvl1
from wstal.flow.frames import check_frames
from wstal.flow.parameters import TVL1Parameters
from wstal.flow.tvl1_torch import tvl1_torch


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
