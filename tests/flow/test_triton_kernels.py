"""TV-L1's Triton kernels against the torch backend: iteration, judgement, median, warp, resizing.

The median's sorting network is tested by the 0-1 principle.
"""

from __future__ import annotations

import pytest

pytest.importorskip("triton")

import numpy as np
import torch
from torch.nn.functional import pad
from triton_device import DEVICE, MARKS, check_compiled
from wstal.flow.definition import TVL1Parameters
from wstal.flow.tvl1_backends import torch as resampling
from wstal.flow.tvl1_backends.torch import _Iteration
from wstal.flow.tvl1_backends.triton import _resize
from wstal.flow.tvl1_backends.triton_kernels import iterate, judge, median, muster, tiles, warp

pytestmark = MARKS
PAIRS, HEIGHT, WIDTH = 2, 20, 69
PITCH = 70  # a row's length in memory
PARAMETERS = TVL1Parameters()


def random_state(seed=0):
    generator = torch.Generator().manual_seed(seed)
    fields = torch.randn(PAIRS, 2, HEIGHT, WIDTH, generator=generator)
    duals = torch.randn(2, PAIRS, 2, HEIGHT, WIDTH, generator=generator) * 0.5
    image = torch.randn(3, PAIRS, HEIGHT, WIDTH, generator=generator) * 20
    return fields, duals, image


def reference(fields, duals, image, steps):
    """The state `[B, 6, H, W]` after `steps` iterations, and the change of each `[B, steps]`."""
    state = _Iteration(fields, PARAMETERS)
    state.dual_x, state.dual_y = duals[0].clone(), duals[1].clone()
    state.linearise(*image)
    everyone = torch.ones(PAIRS, dtype=torch.bool)
    changes = [state.step(everyone) for _ in range(steps)]
    x, y = state.dual_x, state.dual_y
    planes = [*state.fields.unbind(1), x[:, 0], y[:, 0], x[:, 1], y[:, 1]]
    return torch.stack(planes, dim=1), torch.stack(changes, dim=1)


def pitched(planes, beyond):
    """`[..., H, W]` as the kernels have it, `beyond` right of the picture."""
    return pad(planes, (0, PITCH - WIDTH), value=beyond).flatten(-2).contiguous().to(DEVICE)


def run(fields, duals, image, steps, halo, cut, smooth=None, order=(0, 1, -1), **marks):
    """The same by the kernel; `marks` are going, again, turn, smoothed of the pairs."""
    strips, rows = cut
    x, y = duals
    planes = [*fields.unbind(1), x[:, 0], y[:, 0], x[:, 1], y[:, 1]]
    given = {"going": [1] * PAIRS} | marks
    marks = [
        torch.tensor(given.get(name, [0] * PAIRS), dtype=torch.int32, device=DEVICE)
        for name in ("going", "again", "turn", "smoothed")
    ]
    state = torch.full((2, 6, PAIRS, HEIGHT * PITCH), 77.0, device=DEVICE)
    for pair, turn in enumerate(marks[2].tolist()):
        state[turn, :, pair] = pitched(torch.stack(planes)[:, pair], 5.0)
    if smooth is not None:
        state[:, :2] = 55.0
        smooth = pitched(smooth.transpose(0, 1), 5.0)
    residual, ix, iy = image
    squared = (ix * ix + iy * iy).clamp(min=1e-20)
    terms = pitched(torch.stack([ix, iy, residual, 1 / squared]), 0.0)
    across, down = -(-WIDTH // (64 - 2 * halo)), -(-HEIGHT // (strips * rows - 2 * halo))
    change = torch.full((PAIRS, halo, across * down * strips), 99.0, device=DEVICE)
    order = torch.tensor(order, dtype=torch.int32, device=DEVICE)
    p = PARAMETERS
    iterate[(across * down, len(order))](
        state,
        state if smooth is None else smooth,
        terms,
        change,
        order,
        *marks,
        PAIRS,
        HEIGHT,
        WIDTH,
        across,
        halo // 2,
        steps,
        p.lambda_ * p.theta,
        p.theta,
        p.tau / p.theta,
        STRIPS=strips,
        ROWS=rows,
        num_warps=strips,
    )
    return state.unflatten(3, (HEIGHT, PITCH))[..., :WIDTH].cpu(), change.cpu()


@pytest.mark.parametrize(("cut", "halo"), [((8, 4), 4), ((4, 4), 2), ((2, 8), 2), ((8, 1), 2)])
def test_tiles_with_margins_iterate_as_the_whole_picture(cut, halo):
    given = random_state()
    expected, changes = reference(*given, halo)
    state, change = run(*given, halo, halo, cut, turn=[0, 1])
    for pair, turn in enumerate((0, 1)):
        torch.testing.assert_close(state[1 - turn, :, pair], expected[pair], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(change.sum(2), changes, rtol=1e-4, atol=0)


def test_fewer_steps_again_or_none():
    given = random_state(1)
    state, _ = run(*given, 3, 4, (8, 4), again=[1, 0], going=[1, 0])
    torch.testing.assert_close(state[1, :, 0], reference(*given, 1)[0][0], rtol=1e-4, atol=1e-5)
    assert (state[1, :, 1] == 77).all()  # a pair that has ended is left alone
    state, _ = run(*given, 3, 4, (8, 4), order=[1, -1])
    torch.testing.assert_close(state[1, :, 1], reference(*given, 3)[0][1], rtol=1e-4, atol=1e-5)
    assert (state[1, :, 0] == 77).all()  # so is one that is not in order
    state, _ = run(*given, 2, 4, (8, 4))
    torch.testing.assert_close(state[1, :, 1], reference(*given, 2)[0][1], rtol=1e-4, atol=1e-5)


def test_the_flow_may_come_from_the_median_filter():
    fields, duals, image = random_state(2)
    state, _ = run(fields, duals, image, 1, 2, (8, 4), smooth=fields, smoothed=[1, 1])
    expected = reference(fields, duals, image, 1)[0]
    torch.testing.assert_close(state[1].transpose(0, 1), expected, rtol=1e-4, atol=1e-5)


def judged(changes, marks, *, cuda=False, begun=0, enough=1.0, count=0.0):
    """going, again, turn, smoothed and count of one pair after its changes were judged."""
    tiles, halo = 3, 8
    change = torch.full((1, halo, tiles), 1e9)
    for step, total in enumerate(changes):
        change[0, step] = torch.tensor([0.25, 0.5, 0.25]) * total
    arrays = [torch.tensor([mark], dtype=torch.int32, device=DEVICE) for mark in marks]
    count = torch.tensor([count], dtype=torch.float64, device=DEVICE)
    order = torch.tensor([0, -1], dtype=torch.int32, device=DEVICE)
    judge[(2,)](
        change.to(DEVICE),
        order,
        *arrays,
        count,
        tiles,
        halo,
        len(changes),
        begun,
        enough,
        CUDA=cuda,
        PARTS=4,
        num_warps=1,
    )
    return [array.item() for array in arrays], count.item()


@pytest.mark.parametrize(
    ("changes", "before", "after"),
    [
        ([5, 4, 3], (1, 0, 0, 1), [1, 0, 1, 0]),  # goes on from the new state
        ([5, 4, 1], (1, 0, 0, 1), [0, 0, 1, 0]),  # ended with its last iteration
        ([5, 0.5, 0.2], (1, 0, 1, 1), [1, 2, 1, 1]),  # ended before: back, and two of them again
        ([9, 9, 9], (1, 2, 1, 1), [0, 0, 0, 0]),  # these were done again: ended
        ([0.1, 0, 0], (0, 0, 1, 0), [0, 0, 1, 0]),  # had ended before
        ([], (1, 0, 0, 0), [0, 0, 1, 0]),  # no rounds left
    ],
)
def test_a_pair_ends_with_the_iteration_that_changed_little(changes, before, after):
    assert judged(changes, before)[0] == after


@pytest.mark.parametrize("going", [[1, 0, 0, 1, 1], [0, 0, 0], [1], [0, 1] * 8])
def test_those_that_go_on_come_first_in_their_order(going):
    marks = torch.tensor(going, dtype=torch.int32, device=DEVICE)
    order, left = torch.full_like(marks, 77), torch.full_like(marks[:1], 77)
    muster[(1,)](marks, order, left, len(going), PAIRS=16)
    on = [pair for pair, goes in enumerate(going) if goes]
    assert order.tolist() == on + [-1] * (len(going) - len(on))
    assert left.item() == len(on)


@pytest.mark.parametrize("seed", range(4))
def test_cuda_semantics_look_where_the_torch_backend_looks(seed):
    changes = torch.rand(6, generator=torch.Generator().manual_seed(seed)) * 4
    enough, count, end = 1.5, 0.0, 0
    for n, change in enumerate(changes.tolist()):
        look = count < enough and n % 2
        if look and change <= enough:
            end = n + 1
            break
        count = change if look else count - enough
    (going, again, _, _), left = judged(changes.tolist(), (1, 0, 0, 0), cuda=True, enough=enough)
    assert (going, again) == ((0, 0) if end == 6 else (1, end))
    if not end:
        assert left == pytest.approx(count, rel=1e-6)


COMPILE = """
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from wstal.flow.tvl1_backends import triton_kernels

floats = "state smooth terms change images gradients table source target weight_x weight_y"
marks = "going again turn smoothed near_x near_y order left"
types = {n: "*fp32" for n in floats.split()} | {n: "*i32" for n in marks.split()}
types |= {n: "fp32" for n in "limit theta rate enough gain".split()} | {"count": "*fp64"}
for kernel, constants, warps, *registers in (
    (triton_kernels.iterate, {"STRIPS": 16, "ROWS": 4}, 16),
    (triton_kernels.iterate, {"STRIPS": 8, "ROWS": 4}, 8, 128),
    (triton_kernels.judge, {"CUDA": False, "PARTS": 64}, 4),
    (triton_kernels.judge, {"CUDA": True, "PARTS": 64}, 4),
    (triton_kernels.muster, {"PAIRS": 1024}, 4),
    (triton_kernels.warp, {"CUDA": False, "BLOCK": 256}, 4),
    (triton_kernels.warp, {"CUDA": True, "BLOCK": 256}, 4),
    (triton_kernels.median, {"SIDE": 3, "BLOCK": 128}, 4),
    (triton_kernels.median, {"SIDE": 5, "BLOCK": 128}, 4),
    (triton_kernels.resize, {"BLOCK": 256}, 4),
):
    names = kernel.arg_names
    signature = {n: "constexpr" if n in constants else types.get(n, "i32") for n in names}
    aligned = {(k,): [["tt.divisibility", 16]] for k, n in enumerate(names) if n in types}
    aligned = {k: v for k, v in aligned.items() if signature[names[k[0]]].startswith("*")}
    constants = {(names.index(n),): v for n, v in constants.items()}
    source = ASTSource(kernel, signature, constants, attrs=aligned)
    options = {"num_warps": warps, "num_stages": 1}
    if registers:
        options["maxnreg"] = registers[0]
    made = triton.compile(source, GPUTarget("cuda", 90, 32), options)
    assert made.asm["cubin"], kernel
    assert made.metadata.shared <= 64 * 1024, kernel
    if kernel is triton_kernels.iterate:
        # Lanes lie along rows from load to store, two columns an access; anything else halves it.
        assert "convert_layout" not in made.asm["ttgir"]
        assert made.asm["ptx"].count("ld.global.v2") == 40
"""


def test_the_kernels_compile_for_a_gpu_that_is_not_here(tmp_path):
    check_compiled(COMPILE, tmp_path)


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
        state.to(DEVICE),
        smooth,
        order,
        *marks,
        pairs,
        height,
        width,
        SIDE=side,
        BLOCK=block,
        num_warps=4,
    )
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


def mark(*values):
    return torch.tensor(values, dtype=torch.int32, device=DEVICE)


@pytest.mark.parametrize("cuda", [False, True])
def test_warp_reads_image_and_gradient_between_pixels_and_outside(cuda):
    pairs, height, width, pitch = 2, 17, 23, 24
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(pairs + 1, height, width, generator=generator) * 255
    flow = torch.randn(pairs, 2, height, width, generator=generator) * 4
    flow[0, :, 0, 0], flow[1, :, 5, 5] = 1e6, -1e6  # far outside on either side
    gradients = torch.stack(resampling.central_gradient(images))
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    read = resampling.CubicWarp(torch.stack([images, *gradients], dim=1)[1:], cuda)
    u, v = flow.unbind(1)
    i, ix, iy = read(x + u, y + v).unbind(1)
    rho = i - ix * u - iy * v - images[:-1]
    expected = torch.stack([ix, iy, rho, 1 / (ix * ix + iy * iy).clamp(min=1e-20)])

    turns = (1, 0)
    state = torch.full((2, 6, pairs, height * pitch), 77.0)
    for pair, turn in enumerate(turns):
        state[turn, :2, pair] = pad(flow[pair], (0, pitch - width), value=55.0).flatten(1)
    table = torch.stack(resampling.cubic_weights(torch.arange(32) / 32, -0.75), 1).contiguous()
    terms = torch.full((4, pairs, height * pitch), torch.nan, device=DEVICE)
    order, going, again, smoothed = mark(7, 7), mark(0, 0), mark(3, 3), mark(1, 1)
    count = torch.ones(pairs, dtype=torch.float64, device=DEVICE)
    warp[(2, pairs)](
        images.to(DEVICE),
        gradients.to(DEVICE),
        state.to(DEVICE),
        terms,
        table.to(DEVICE),
        order,
        going,
        again,
        mark(*turns),
        smoothed,
        count,
        pairs,
        height,
        width,
        CUDA=cuda,
        BLOCK=256,
    )
    terms = terms.unflatten(2, (height, pitch)).cpu()
    assert (terms[..., width:] == 0).all()
    terms = terms[..., :width]
    torch.testing.assert_close(terms, expected, rtol=1e-3, atol=1e-2)
    error = (terms[2] - expected[2]).abs()
    assert error[u.abs() < 100].max() < 1e-3
    assert order.tolist() == [0, 1] and going.tolist() == [1, 1]
    assert again.tolist() == smoothed.tolist() == [0, 0]
    assert count.tolist() == [0, 0]


@pytest.mark.parametrize("cuda", [False, True])
@pytest.mark.parametrize("size", [(14, 18), (22, 29)])
def test_resize_is_torchs(cuda, size):
    height, width = 17, 23
    images = torch.rand(3, height, width, generator=torch.Generator().manual_seed(2)) * 255
    ratios = (1.25, 1.25) if size[0] < height else (height / size[0], width / size[1])
    expected = resampling.resize(images, size, ratios, cuda) * 0.8
    found = _resize(images.to(DEVICE), size, ratios, cuda, 0.8).cpu()
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-4)
