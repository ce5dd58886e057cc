"""Warp and resizing by Triton against those in torch."""

import pytest
import torch
from torch.nn.functional import pad
from triton_device import DEVICE, MARKS

pytest.importorskip("triton")

from wstal.flow import resampling
from wstal.flow.picture_kernels import warp
from wstal.flow.tvl1_triton import _resize

pytestmark = MARKS
PAIRS, HEIGHT, WIDTH = 2, 17, 23
PITCH = 24  # a row's length in memory


def mark(*values):
    return torch.tensor(values, dtype=torch.int32, device=DEVICE)


def flow_state(flow, turns):
    """State `[2, 6, B, H * pitch]` that holds `flow` `[B, 2, H, W]` where each pair's turn says."""
    state = torch.full((2, 6, PAIRS, HEIGHT * PITCH), 77.0)
    for pair, turn in enumerate(turns):
        state[turn, :2, pair] = pad(flow[pair], (0, PITCH - WIDTH), value=55.0).flatten(1)
    return state.to(DEVICE)


@pytest.mark.parametrize("cuda", [False, True])
def test_warp_reads_image_and_gradient_between_pixels_and_outside(cuda):
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(PAIRS + 1, HEIGHT, WIDTH, generator=generator) * 255
    flow = torch.randn(PAIRS, 2, HEIGHT, WIDTH, generator=generator) * 4
    flow[0, :, 0, 0], flow[1, :, 5, 5] = 1e6, -1e6  # far outside on either side
    gradients = torch.stack(resampling.central_gradient(images))
    y, x = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    read = resampling.CubicWarp(torch.stack([images, *gradients], dim=1)[1:], cuda)
    u, v = flow.unbind(1)
    i, ix, iy = read(x + u, y + v).unbind(1)
    rho = i - ix * u - iy * v - images[:-1]
    expected = torch.stack([ix, iy, rho, 1 / (ix * ix + iy * iy).clamp(min=1e-20)])

    table = torch.stack(resampling.cubic_weights(torch.arange(32) / 32, -0.75), 1).contiguous()
    terms = torch.full((4, PAIRS, HEIGHT * PITCH), torch.nan, device=DEVICE)
    order, going, again, smoothed = mark(7, 7), mark(0, 0), mark(3, 3), mark(1, 1)
    count = torch.ones(PAIRS, dtype=torch.float64, device=DEVICE)
    warp[(2, PAIRS)](
        images.to(DEVICE), gradients.to(DEVICE), flow_state(flow, (1, 0)), terms,
        table.to(DEVICE), order, going, again, mark(1, 0), smoothed, count, PAIRS, HEIGHT,
        WIDTH, CUDA=cuda, BLOCK=256,
    )  # fmt: skip
    terms = terms.unflatten(2, (HEIGHT, PITCH)).cpu()
    assert (terms[..., WIDTH:] == 0).all()
    terms = terms[..., :WIDTH]
    torch.testing.assert_close(terms, expected, rtol=1e-3, atol=1e-2)
    error = (terms[2] - expected[2]).abs()
    assert error[u.abs() < 100].max() < 1e-3
    assert order.tolist() == [0, 1] and going.tolist() == [1, 1]
    assert again.tolist() == smoothed.tolist() == [0, 0]
    assert count.tolist() == [0, 0]


@pytest.mark.parametrize("cuda", [False, True])
@pytest.mark.parametrize("size", [(14, 18), (22, 29)])
def test_resize_is_torchs(cuda, size):
    images = torch.rand(3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(2)) * 255
    ratios = (1.25, 1.25) if size[0] < HEIGHT else (HEIGHT / size[0], WIDTH / size[1])
    expected = resampling.resize(images, size, ratios, cuda) * 0.8
    found = _resize(images.to(DEVICE), size, ratios, cuda, 0.8).cpu()
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-4)
