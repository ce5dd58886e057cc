"""TV-L1 on the CPU at hardware speed: own C++, compiled on first use (`tvl1.cpp`)."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

import numpy as np

from wstal.errors import WstalError
from wstal.flow.parameters import TVL1Parameters
from wstal.flow.shared_library import load_library

SOURCES = ("tvl1.cpp", "iteration.h", "median.h", "resampling.h", "vectors.h", "warping.h")
# Fused multiply-add is allowed: it is no less exact than OpenCV's separate roundings, only
# different. NaN cannot occur (frames are checked), so comparisons may be plain minima.
FLAGS = (
    "-ffp-contract=fast",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-ffinite-math-only",
    "-fno-signed-zeros",
)


class _Parameters(ctypes.Structure):
    """`Parameters` of tvl1.cpp."""

    _fields_ = [
        *((name, ctypes.c_double) for name in ("tau", "lambda_", "theta", "epsilon", "scale_step")),
        *((name, ctypes.c_int) for name in ("nscales", "warps", "inner", "outer", "median")),
        *((name, ctypes.c_int) for name in ("cuda", "sweep")),
    ]


def library(target: str = "native") -> ctypes.CDLL:
    """The compiled library; raises NoCompiler."""
    folder = Path(__file__).parent
    return load_library(tuple(folder / name for name in SOURCES), FLAGS, target)


def tvl1_cpu(
    frames: np.ndarray,
    parameters: TVL1Parameters,
    semantics: str = "opencv_cpu",
    *,
    threads: int | None = None,
    target: str = "native",
    work: np.ndarray | None = None,
    sweep: int = 0,
) -> np.ndarray:
    """Flow `[N-1, H, W, 2]` float32 px between gray frames `[N, H, W]` in 0..255, of any type.

    `threads` pairs are computed at a time (default: see `default_threads`); the result does not
    depend on it. `target` is the instruction set compiled for. `work` int64 [N-1], if
    given, receives each pair's number of pixel iterations. `sweep` is how many iterations may
    follow each other in one pass over the picture (1 to 8; default: by its size and the cache);
    the result does not depend on it.
    """
    if parameters.gamma:
        raise WstalError("flow backend cpu has no illumination field: gamma must be 0")
    if semantics == "opencv_cuda":
        loops = {"inner": parameters.iterations, "outer": 1, "median": 1, "cuda": 1}
    else:
        loops = {
            "inner": parameters.inner_iterations,
            "outer": parameters.outer_iterations,
            "median": parameters.median_filtering,
            "cuda": 0,
        }
    shared = ("tau", "lambda_", "theta", "epsilon", "scale_step", "nscales", "warps")
    native = _Parameters(
        **{name: getattr(parameters, name) for name in shared}, **loops, sweep=sweep
    )
    frames = np.ascontiguousarray(frames, np.float32)
    n, h, w = frames.shape
    flow = np.empty((n - 1, h, w, 2), np.float32)
    failed = library(target).wstal_tvl1(
        frames.ctypes.data_as(ctypes.c_void_p),
        n,
        h,
        w,
        ctypes.byref(native),
        flow.ctypes.data_as(ctypes.c_void_p),
        None if work is None else work.ctypes.data_as(ctypes.c_void_p),
        max(1, threads or default_threads()),
    )
    if failed:
        raise MemoryError(f"TV-L1 of {w}x{h} frames does not fit into memory")
    return flow


def default_threads() -> int:
    """`$OMP_NUM_THREADS` where it is set, else the CPUs this process may use."""
    if (asked := os.environ.get("OMP_NUM_THREADS", "")).isdecimal():
        return int(asked)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
