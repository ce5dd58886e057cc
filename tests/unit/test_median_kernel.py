"""The median filter by Triton against that in torch, and its network by the 0-1 principle."""

import numpy as np
import pytest
import torch
from torch.nn.functional import pad
from triton_device import DEVICE, MARKS

pytest.importorskip("triton")

from wstal.flow import resampling
from wstal.flow.median_kernel import median, tiles

pytestmark = MARKS


def filtered(flow, side, block=128, **marks):
    """Medians `[B, 2, H, W]` by the kernel, 55 where it wrote none, and the marks `smoothed`."""
    pairs, _, height, width = flow.shape
    marks = [
        torch.tensor(marks.get(name, [default] * pairs), dtype=torch.int32, device=DEVICE)
        for name, default in (("going", 1), ("again", 0), ("turn", 0), ("smoothed", 0))
    ]
    order = torch.tensor([*range(pairs), -1], dtype=torch.int32, device=DEVICE)
    pitch = width + width % 2  # of a row in memory
    state = torch.full((2, 6, pairs, height * pitch), 77.0)
    for pair, turn in enumerate(marks[2].tolist()):
        state[turn, :2, pair] = pad(flow[pair], (0, pitch - width), value=66.0).flatten(1)
    smooth = torch.full((2, pairs, height * pitch), 55.0, device=DEVICE)
    median[(-(-tiles(height, width) // block), pairs + 1, 2)](
        state.to(DEVICE), smooth, order, *marks, pairs, height, width,
        SIDE=side, BLOCK=block, num_warps=4,
    )  # fmt: skip
    found = smooth.transpose(0, 1).unflatten(2, (height, pitch)).cpu()
    assert (found[..., width:] == 55).all()
    return found[..., :width], marks[3].tolist()


def random_flow(pairs, height, width):
    generator = torch.Generator().manual_seed(height * width)
    return torch.randn(pairs, 2, height, width, generator=generator)


@pytest.mark.parametrize("side", [3, 5])
def test_only_pairs_that_go_on_and_do_nothing_over(side):
    flow = random_flow(3, 17, 23)
    found, smoothed = filtered(flow, side, going=[1, 1, 0], again=[0, 2, 0], turn=[0, 1, 1])
    assert smoothed == [1, 0, 0]
    assert torch.equal(found[0], resampling.median(flow, side)[0])
    assert (found[1:] == 55).all()
    found, smoothed = filtered(flow, side, going=[0, 1, 0], turn=[0, 1, 1], smoothed=[0, 0, 1])
    assert smoothed == [0, 1, 1]
    assert torch.equal(found[1], resampling.median(flow, side)[1])


@pytest.mark.parametrize("side", [3, 5])
@pytest.mark.parametrize(
    "size", [(1, 1), (1, 9), (9, 1), (2, 2), (3, 3), (4, 2), (5, 3), (5, 33), (31, 34), (4, 257)]
)
def test_any_size_and_the_edge_repeated(side, size):
    flow = random_flow(2, *size)
    flow[1] = flow[1].round()  # many alike, either sign of zero
    found, _ = filtered(flow, side)
    torch.testing.assert_close(found, resampling.median(flow, side), rtol=0, atol=0)


def windows_at_the_brink(side):
    """`[K, side, side]` of zeros and ones, of which just under or just over half are ones.

    All of these but for the order within each row, without the first column, and within that;
    the first value is apart.
    """
    inner, half = side - 1, side * side // 2
    *rows, column, corner = np.indices((side,) * (inner + 2) + (2,)).reshape(inner + 3, -1)
    windows = np.zeros((len(corner), side, side), np.float32)
    windows[:, :, 1:] = np.arange(inner) < np.stack(rows, axis=1)[:, :, None]
    windows[:, 1:, 0] = np.arange(inner) < column[:, None]
    windows[:, 0, 0] = corner
    ones = windows.sum((1, 2))
    return windows[(ones == half) | (ones == half + 1)]


@pytest.mark.parametrize("side", [3, 5])
@pytest.mark.parametrize("row", [0, 3])  # above and below, in the upper and the lower patch
def test_the_network_by_the_0_1_principle(side, row):
    """Minima and maxima that are right for all zeros and ones are right; as they are monotone,
    those at the brink suffice. A core that is shared, sorted row by row, is the same whatever
    order its rows are in."""
    windows = windows_at_the_brink(side)
    expected = windows.sum((1, 2)) > side * side / 2
    assert expected.any() and not expected.all()
    half, cells = side // 2, np.zeros((2, len(windows), 12, 6), np.float32)
    for column in range(2):  # of a tile's 4x2 pixels; what is not shared lies outward
        turned = windows[:, :: -1 if row % 2 else 1, :: -1 if column else 1]
        y, x = 4 + row - half, 2 + column - half
        cells[column, :, y : y + side, x : x + side] = turned
    flow = torch.from_numpy(cells).flatten(1, 2)[None]
    found = filtered(flow, side, block=128 if DEVICE == "cuda" else 8192)[0][0]
    for column in range(2):
        medians = found[column].unflatten(0, (len(windows), 12))[:, 4 + row, 2 + column]
        assert np.array_equal(medians.numpy(), expected.astype(np.float32))
