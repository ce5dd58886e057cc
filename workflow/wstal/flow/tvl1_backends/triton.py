"""TV-L1 on NVIDIA GPUs by Triton kernels: many pairs at a time, several iterations a launch.

A pair ends when the test after one of its iterations says so; the device decides that
(`triton_kernels.judge`). Once a round of iterations the host reads how many pairs go on. It reads
the result of the round before, while the next one is queued already, and launches that many.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from wstal.base.errors import WstalError
from wstal.flow.codes import GPU_PAIRS
from wstal.flow.definition import TVL1Parameters
from wstal.flow.tvl1_backends.torch import (
    FRACTIONS,
    as_images,
    central_gradient,
    cubic_weights,
    linear_taps,
    pyramid_sizes,
)

ROUND = 30  # iterations of a round if the parameters set none; even, see `judge`
BLOCK = 256  # pixels of a program of the warp and resizing kernels
TILES = 128  # of a program of the median filter, one a thread
PLANES = 40  # memory of a pair in frames, including the pyramid
TRANSFER = 10  # iterations that take as long as a launch's reading and writing (estimate)
LANES = 32  # threads of a warp; each has two columns
FEW = 8  # pairs; fewer take as long


@dataclass(frozen=True)
class Launch:
    """How the work is divided.

    Two tiles of 32x64 px share a multiprocessor of the Hopper generation: one computes while the
    other loads or waits. More pairs hide the few that need many iterations. Raises WstalError for
    an odd halo.
    """

    batch: int | None = None  # pairs at a time; None: GPU_PAIRS, or fewer if memory is short
    strips: int = 8  # of a tile, a warp each; a power of two
    rows: int = 4  # of a strip
    halo: int | None = None  # margin in px (even), also iterations per launch; None: by the size
    registers: int | None = 128  # of a thread, at most; None: no limit
    graphs: bool = True  # a round of launches as one CUDA graph

    def __post_init__(self) -> None:
        if self.halo and self.halo % 2:
            raise WstalError(
                f"a launch's halo must be even, as two columns are read at once, not {self.halo}"
            )

    @property
    def tile(self) -> tuple[int, int]:
        """Height and width, px."""
        return self.strips * self.rows, 2 * LANES


def tvl1_triton(
    frames: np.ndarray | Tensor,
    parameters: TVL1Parameters,
    semantics: str = "opencv_cpu",
    *,
    device: str | torch.device = "cuda",
    launch: Launch | None = None,
) -> Tensor:
    """Return the flow `[N-1, H, W, 2]`, float32 px on `device`, of gray `[N, H, W]` in 0..255.

    A pair's result does not depend on the others. On the CPU, it needs Triton's interpreter
    (TRITON_INTERPRET=1), for tests. Raises WstalError without a GPU or the interpreter, and for
    `gamma > 0`: there is no illumination field.
    """
    if parameters.gamma:
        raise WstalError("flow backend triton has no illumination field: gamma must be 0")
    if torch.device(device).type == "cpu" and os.environ.get("TRITON_INTERPRET") != "1":
        raise WstalError("flow backend triton needs a GPU: choose device cuda, or another backend")
    launch = launch or Launch()
    images = as_images(frames, device)
    flow = images.new_empty(len(images) - 1, *images.shape[1:], 2)
    with torch.cuda.device(images.device) if images.is_cuda else nullcontext():
        batch = launch.batch or _fitting_pairs(images)
        for start in range(0, len(flow), batch):
            part = images[start : start + batch + 1]
            _solve(part, parameters, semantics == "opencv_cuda", launch, flow[start:])
    return flow


def _fitting_pairs(images: Tensor) -> int:
    """Return up to GPU_PAIRS, as many as fit into half of the free memory."""
    if not images.is_cuda:
        return GPU_PAIRS
    cached = torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
    free = torch.cuda.mem_get_info()[0] + cached
    each = PLANES * images[0].numel() * images.element_size()
    return max(1, min(GPU_PAIRS, free // 2 // each))


def _solve(
    images: Tensor, parameters: TVL1Parameters, cuda: bool, launch: Launch, out: Tensor
) -> None:
    """Coarse to fine: frames `[B+1, H, W]` -> the first B of `out` `[.., H, W, 2]`."""
    ratio = 1 / parameters.scale_step
    pyramid = [images.contiguous()]
    for size in pyramid_sizes(*images.shape[1:], parameters)[1:]:
        pyramid.append(_resize(pyramid[-1], size, (ratio, ratio), cuda))
    flow = None
    for level in reversed(pyramid):
        scale = _Scale(level, parameters, cuda, launch)
        if flow is not None:
            size, old = level.shape[1:], flow.shape[2:]
            ratios = tuple(1 / (new / was) for new, was in zip(size, old, strict=True))
            _resize(flow.flatten(0, 1), size, ratios, cuda, ratio, scale.state[0, :2].flatten(0, 1))
        scale.solve()
        flow = scale.flow()
    out[: len(images) - 1] = flow.permute(1, 2, 3, 0)


def _resize(
    images: Tensor,
    size: tuple[int, int],
    ratios: tuple[float, float],
    cuda: bool,
    gain: float = 1.0,
    out: Tensor | None = None,
) -> Tensor:
    """Resize `[N, H, W]` bilinearly to `[N, *size]`, times `gain`; `ratios` as in `torch.resize`.

    `out` `[N, height * pitch]`, if given, receives planes as `triton_kernels` describes them.
    """
    from wstal.flow.tvl1_backends.triton_kernels import resize

    height, width = images.shape[1:]
    pitch = size[1] if out is None else out.shape[1] // size[0]
    out = images.new_empty(len(images), *size) if out is None else out
    taps = []
    for old, new, ratio in zip((width, height), size[::-1], ratios[::-1], strict=True):
        first, weight = linear_taps(old, new, ratio, cuda, images.device)
        taps += [first.int(), weight]
    grid = (-(-size[0] * size[1] // BLOCK), len(images))
    resize[grid](images, out, *taps, height, width, *size, pitch, gain, BLOCK=BLOCK)
    return out


def best_halo(size: tuple[int, int], tile: tuple[int, int], iterations: int = ROUND) -> int:
    """Return the margin with which a round of `iterations` of a frame `size` takes least time.

    A wider margin means fewer launches of more tiles.
    """

    def cost(halo: int) -> int:
        tiles = 1
        for side, length in zip(size, tile, strict=True):
            tiles *= -(-side // (length - 2 * halo))
        return tiles * (iterations + TRANSFER * -(-iterations // halo))

    return min(range(2, max(3, min(tile) // 3), 2), key=cost)


class _Scale:
    """All warps of a batch of pairs at one scale of the pyramid."""

    def __init__(
        self, images: Tensor, parameters: TVL1Parameters, cuda: bool, launch: Launch
    ) -> None:
        self.images, self.parameters, self.cuda, self.launch = images, parameters, cuda, launch
        self.pairs, (self.height, self.width) = len(images) - 1, images.shape[1:]
        self.pitch, device = self.width + self.width % 2, images.device
        pixels = self.height * self.pitch
        size, iterations = (self.height, self.width), ROUND if cuda else parameters.inner_iterations
        self.halo = launch.halo or best_halo(size, launch.tile, iterations)
        self.across, down = (
            -(-side // (length - 2 * self.halo))
            for side, length in zip(size[::-1], launch.tile[::-1], strict=True)
        )
        self.tiles = self.across * down
        self.gradients = torch.stack(central_gradient(images))
        self.state = images.new_zeros(2, 6, self.pairs, pixels)
        self.smooth = images.new_zeros(2, self.pairs, pixels)
        self.terms = images.new_empty(4, self.pairs, pixels)
        self.change = images.new_empty(self.pairs, self.halo, self.tiles * launch.strips)
        self.order, self.going, self.again, self.turn, self.smoothed = (
            torch.zeros(self.pairs, dtype=torch.int32, device=device) for _ in range(5)
        )
        self.left = torch.zeros(1, dtype=torch.int32, device=device)
        self.count = torch.zeros(self.pairs, dtype=torch.float64, device=device)
        fractions = torch.arange(FRACTIONS, device=device) / FRACTIONS
        self.table = torch.stack(cubic_weights(fractions, -0.75), dim=1).contiguous()
        self.rounds = Rounds(self.left, self.pairs, launch.graphs)

    def flow(self) -> Tensor:
        """Return the current flow `[2, B, H, W]`."""
        turn = (self.turn == 0)[:, None]
        flow = torch.where(turn, *self.state[:, :2]).unflatten(2, (self.height, self.pitch))
        return flow[..., : self.width].contiguous()

    def solve(self) -> None:
        """Do every warp, starting from the flow in `state`."""
        for _ in range(self.parameters.warps):
            self.warp()
            if slots := self.rounds.run(self.round, self.plan()):
                self.iterate(0, 0, slots)  # for pairs that ended within the last launch

    def plan(self) -> list[int]:
        """Return the iterations of each round."""
        if not self.cuda:
            return [self.parameters.inner_iterations] * self.parameters.outer_iterations
        whole, rest = divmod(self.parameters.iterations, ROUND)
        return [ROUND] * whole + [rest] * bool(rest)

    def round(self, iterations: int, slots: int) -> None:
        """Do the median filter, then `iterations`, for the first `slots` pairs in `order`."""
        from wstal.flow.tvl1_backends.triton_kernels import muster

        if not self.cuda and self.parameters.median_filtering > 1:
            self.median(slots)
        for begun in range(0, iterations, self.halo):
            self.iterate(min(self.halo, iterations - begun), begun, slots)
        muster[(1,)](self.going, self.order, self.left, self.pairs, PAIRS=power(self.pairs))

    def warp(self) -> None:
        from wstal.flow.tvl1_backends.triton_kernels import warp

        warp[(-(-self.height * self.pitch // BLOCK), self.pairs)](
            self.images,
            self.gradients,
            self.state,
            self.terms,
            self.table,
            self.order,
            self.going,
            self.again,
            self.turn,
            self.smoothed,
            self.count,
            self.pairs,
            self.height,
            self.width,
            CUDA=self.cuda,
            BLOCK=BLOCK,
        )

    def median(self, slots: int) -> None:
        from wstal.flow.tvl1_backends.triton_kernels import median, tiles

        median[(-(-tiles(self.height, self.width) // TILES), slots, 2)](
            self.state,
            self.smooth,
            self.order,
            self.going,
            self.again,
            self.turn,
            self.smoothed,
            self.pairs,
            self.height,
            self.width,
            SIDE=self.parameters.median_filtering,
            BLOCK=TILES,
            num_warps=4,
        )

    def iterate(self, steps: int, begun: int, slots: int) -> None:
        """Do `steps` iterations, and decide which pairs go on."""
        from wstal.flow.tvl1_backends.triton_kernels import iterate, judge

        p, launch, parts = self.parameters, self.launch, self.change.shape[2]
        marks = (self.order, self.going, self.again, self.turn, self.smoothed)
        iterate[(self.tiles, slots)](
            self.state,
            self.smooth,
            self.terms,
            self.change,
            *marks,
            self.pairs,
            self.height,
            self.width,
            self.across,
            self.halo // 2,
            steps,
            p.lambda_ * p.theta,
            p.theta,
            p.tau / p.theta,
            STRIPS=launch.strips,
            ROWS=launch.rows,
            num_warps=launch.strips,
            num_stages=1,
            maxnreg=launch.registers,
        )
        enough = p.epsilon**2 * (self.height * self.width)
        judge[(slots,)](
            self.change,
            *marks,
            self.count,
            parts,
            self.halo,
            steps,
            begun,
            enough,
            CUDA=self.cuda,
            PARTS=power(parts),
            num_warps=4,
        )


class Rounds:
    """Rounds of launches until no pair goes on, recorded as CUDA graphs if there are any.

    The host reads the number of pairs one round behind the device.
    """

    def __init__(self, left: Tensor, pairs: int, graphs: bool) -> None:
        self.left, self.pairs, self.graphs = left, pairs, graphs and left.is_cuda
        self.recorded: dict[tuple[int, int], torch.cuda.CUDAGraph | None] = {}
        if left.is_cuda:
            self.seen = torch.empty(2, dtype=left.dtype, pin_memory=True)
            self.looks = [torch.cuda.Event(), torch.cuda.Event()]

    def run(self, launch: Callable[[int, int], None], plan: Sequence[int]) -> int:
        """Call `launch(iterations, pairs)` for each round in `plan`, with the pairs that may go on.

        Returns how many may still go on after the last round, 0 if all have ended.
        """
        slots = self.pairs
        for number, iterations in enumerate(plan):
            self._launch(launch, iterations, slots)
            if (left := self._left(number)) == 0:
                return 0
            if left is not None:
                slots = min(slots, max(FEW, power(left)))
        return slots

    def _launch(self, launch: Callable[[int, int], None], iterations: int, slots: int) -> None:
        key = (iterations, slots)
        if not self.graphs or key not in self.recorded:
            self.recorded[key] = None
            launch(*key)  # also compiles, which must not happen during recording
            return
        if self.recorded[key] is None:
            self.recorded[key] = self._record(launch, key)
        self.recorded[key].replay()

    def _record(
        self, launch: Callable[[int, int], None], key: tuple[int, int]
    ) -> torch.cuda.CUDAGraph:
        graph, stream = torch.cuda.CUDAGraph(), torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            # Other threads may use the GPU at the same time (streamed features).
            graph.capture_begin(capture_error_mode="thread_local")
            launch(*key)
            graph.capture_end()
        return graph

    def _left(self, number: int) -> int | None:
        """Return how many pairs went on after the previous round; on a CPU, after this one."""
        if not self.left.is_cuda:
            return int(self.left)
        self.seen[number % 2].copy_(self.left[0], non_blocking=True)
        self.looks[number % 2].record()
        if number == 0:
            return None
        self.looks[(number - 1) % 2].synchronize()
        return int(self.seen[(number - 1) % 2])


def power(number: int) -> int:
    """Return the least power of two that is at least `number`."""
    return 1 << (number - 1).bit_length()
