"""Launches for the pairs that go on, round by round, as CUDA graphs where there are any."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

FEW = 8  # pairs: fewer take as long


def power(number: int) -> int:
    """The least power of two that is not less."""
    return 1 << (number - 1).bit_length()


class Rounds:
    """Rounds of launches until no pair goes on; the host looks one round behind the device."""

    def __init__(self, left: Tensor, pairs: int, graphs: bool) -> None:
        self.left, self.pairs, self.graphs = left, pairs, graphs and left.is_cuda
        self.recorded: dict[tuple[int, int], torch.cuda.CUDAGraph | None] = {}
        if left.is_cuda:
            self.seen = torch.empty(2, dtype=left.dtype, pin_memory=True)
            self.looks = [torch.cuda.Event(), torch.cuda.Event()]

    def run(self, launch: Callable[[int, int], None], plan: Sequence[int]) -> int:
        """`launch` for each number of iterations in `plan` and as many pairs as may go on; how
        many may still go on after the last, 0 if all are seen to have ended."""
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
            launch(*key)  # also compiles, which must not happen while recording
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
            # Other threads may use the GPU meanwhile (streamed features).
            graph.capture_begin(capture_error_mode="thread_local")
            launch(*key)
            graph.capture_end()
        return graph

    def _left(self, number: int) -> int | None:
        """How many pairs went on after the round before, on a CPU after this one."""
        if not self.left.is_cuda:
            return int(self.left)
        self.seen[number % 2].copy_(self.left[0], non_blocking=True)
        self.looks[number % 2].record()
        if number == 0:
            return None
        self.looks[(number - 1) % 2].synchronize()
        return int(self.seen[(number - 1) % 2])
