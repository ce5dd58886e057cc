"""The Triton backend against the torch backend and OpenCV's fields.

docs/flow.md says how to run them on a GPU.
"""

import numpy as np
import pytest
import torch
from textured_motion import end_point_error, sequence
from triton_device import DEVICE, MARKS

pytest.importorskip("triton")

from wstal.base.errors import WstalError
from wstal.flow import tvl1
from wstal.flow.definition import TVL1Parameters, check_frames
from wstal.flow.tvl1_backends.torch import tvl1_torch
from wstal.flow.tvl1_backends.triton import Launch, Rounds, best_halo, tvl1_triton

pytestmark = MARKS  # the whole file on a GPU
SMALL = Launch(strips=4, halo=2)
SEMANTICS = ("opencv_cpu", "opencv_cuda")


def both(frames, launch, semantics="opencv_cpu", **params):
    images, parameters = check_frames(frames), TVL1Parameters(**params)
    expected = tvl1_torch(images, parameters, semantics, device=DEVICE)
    found = tvl1_triton(images, parameters, semantics, device=DEVICE, launch=launch)
    assert found.shape == (len(frames) - 1, *frames.shape[1:], 2)
    return end_point_error(found.cpu().numpy(), expected.cpu().numpy())


@pytest.mark.parametrize("semantics", SEMANTICS)
def test_scales_warps_rounds_and_ends_of_each_pair_are_torchs(semantics):
    frames = sequence(3, 22, 25)
    frames[2] = frames[1]  # the second pair ends at its first iteration
    settings = {"nscales": 2, "warps": 1, "inner_iterations": 4, "outer_iterations": 2}
    error = both(frames, SMALL, semantics, epsilon=0.05, iterations=8, **settings)
    assert error.max() < 1e-4


@pytest.mark.parametrize("params", [{"median_filtering": 1}, {"median_filtering": 3}])
def test_other_parameters(params):
    settings = {"nscales": 1, "warps": 1, "inner_iterations": 2, "outer_iterations": 2}
    frames = sequence(2, 10, 26, seed=2)
    error = both(frames, Launch(strips=2, rows=8), lambda_=0.3, tau=0.2, **settings, **params)
    assert error.max() < 1e-4


def test_batches_change_nothing_and_one_frame_has_no_flow():
    frames = sequence(4, 12, 12, seed=4)
    settings = {"nscales": 1, "warps": 1, "inner_iterations": 3, "outer_iterations": 1}
    images, parameters = check_frames(frames), TVL1Parameters(**settings)
    whole, parts, none = (
        tvl1_triton(given, parameters, device=DEVICE, launch=Launch(batch, strips=4))
        for given, batch in ((images, 8), (images, 2), (images[:1], 8))
    )
    assert torch.equal(whole, parts)
    assert none.shape == (0, 12, 12, 2)


@pytest.mark.parametrize("semantics", SEMANTICS)
def test_a_look_that_comes_a_round_late_as_a_gpus_does_changes_nothing(monkeypatch, semantics):
    frames = sequence(3, 14, 18, seed=5)
    frames[2] = frames[1]  # this pair ends in its first round
    settings = {"nscales": 1, "warps": 2, "inner_iterations": 4, "outer_iterations": 3}
    parameters = TVL1Parameters(**settings, epsilon=0.2, iterations=60)
    images = check_frames(frames)
    at_once = tvl1_triton(images, parameters, semantics, device=DEVICE, launch=SMALL)
    seen = []

    def late(self, number):
        seen.append(int(self.left))
        return seen[-2] if number else None

    monkeypatch.setattr(Rounds, "_left", late)
    assert torch.equal(
        at_once, tvl1_triton(images, parameters, semantics, device=DEVICE, launch=SMALL)
    )
    assert 0 in seen  # something was launched for pairs that had all ended


def test_constant_images_do_not_move():
    flow = tvl1_triton(
        check_frames(np.full((2, 16, 20), 9, np.uint8)),
        TVL1Parameters(),
        device=DEVICE,
        launch=Launch(strips=4),
    )
    assert not flow.any()


def test_refusals(monkeypatch):
    frames = sequence(2, 16, 16)
    with pytest.raises(WstalError, match="gamma"):
        tvl1(frames, "triton", device=DEVICE, gamma=0.1)
    monkeypatch.setenv("TRITON_INTERPRET", "0")
    with pytest.raises(WstalError, match="needs a GPU"):
        tvl1(frames, "triton", device="cpu")


def test_an_odd_margin_is_refused():
    with pytest.raises(WstalError, match="even.* not 3"):
        Launch(halo=3)


@pytest.mark.parametrize(("size", "halo"), [((256, 340), 6), ((164, 218), 10), ((105, 139), 8)])
def test_the_margin_fits_the_frame(size, halo):
    assert best_halo(size, (64, 64)) == halo
    assert best_halo(size, (16, 16)) in (2, 4, 6)


@pytest.mark.gpu
@pytest.mark.parametrize("semantics", SEMANTICS)
@pytest.mark.parametrize(("height", "width"), [(256, 340), (256, 455), (97, 161), (37, 23)])
def test_full_size_and_defaults_are_torchs(semantics, height, width):
    error = both(sequence(9, height, width, seed=height), Launch(), semantics)
    assert error.mean() < 0.05
    assert np.median(error) < 0.03


@pytest.mark.gpu
def test_one_warp_at_full_size_is_torchs_to_rounding():
    assert both(sequence(5, 256, 340), Launch(), nscales=1, warps=1).max() < 1e-4


@pytest.mark.gpu
@pytest.mark.parametrize(
    "launch",
    [
        Launch(graphs=False),
        Launch(batch=3),
        Launch(halo=2),
        Launch(halo=10),
        Launch(strips=4),
        Launch(rows=8, registers=None),
    ],
)
def test_neither_graphs_nor_batches_nor_tiles_change_a_field(launch):
    """Margins are computed alike in every tile: fields agree to the last bit but for the sums
    that end iterations, which are added tile by tile."""
    images, parameters = check_frames(sequence(9, 120, 160)), TVL1Parameters()
    usual = tvl1_triton(images, parameters)
    found = tvl1_triton(images, parameters, launch=launch)
    same_tiles = (launch.tile, launch.halo) == (Launch().tile, Launch().halo)
    assert torch.equal(usual, found) or not same_tiles
    assert end_point_error(usual.cpu().numpy(), found.cpu().numpy()).mean() < 0.02


@pytest.mark.gpu
def test_runs_are_alike_to_the_last_bit():
    images = check_frames(sequence(17, 256, 340))
    first, second = (tvl1_triton(images, TVL1Parameters()) for _ in range(2))
    assert torch.equal(first, second)


@pytest.mark.gpu
def test_huge_motion_and_noise_stay_finite():
    noise = np.random.default_rng(0).integers(0, 256, (5, 64, 80)).astype(np.uint8)
    assert np.isfinite(tvl1(noise, "triton")).all()
