"""Who computes TV-L1 here, and the one function that has it computed."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from wstal.errors import WstalError
from wstal.flow.frames import check_frames
from wstal.flow.parameters import SEMANTICS, TVL1Parameters

BACKENDS = ("auto", "cpu", "opencv", "torch")


@dataclass(frozen=True)
class Backend:
    """The backend that computes, and why it was chosen (empty: it was asked for by name)."""

    name: str
    reason: str = ""


def resolve_backend(
    backend: str = "auto",
    semantics: str = "opencv_cpu",
    parameters: TVL1Parameters | None = None,
) -> Backend:
    """What `backend` stands for on this machine, to be recorded beside the flow.

    `auto` is the C++ backend. Where there is no compiler it is OpenCV, tens of times slower,
    with a warning; for `gamma > 0`, which only OpenCV and torch compute, one of those. A
    backend named outright is never replaced.
    """
    if backend not in BACKENDS:
        raise WstalError(f"flow backend {backend!r} is not one of {', '.join(BACKENDS)}")
    if semantics not in SEMANTICS:
        raise WstalError(f"TV-L1 semantics {semantics!r} is not one of {', '.join(SEMANTICS)}")
    if backend != "auto":
        return Backend(backend)
    other = "opencv" if semantics == "opencv_cpu" else "torch"
    if parameters is not None and parameters.gamma:
        return Backend(other, "the C++ backend has no illumination field (gamma > 0)")
    missing = _compiler_trouble()
    if not missing:
        return Backend("cpu", "compiled C++")
    reason = f"fell back from the C++ backend: {missing}"
    warnings.warn(f"TV-L1 by {other}, tens of times slower: {missing}", stacklevel=2)
    return Backend(other, reason)


@cache
def _compiler_trouble() -> str:
    from wstal.flow.shared_library import NoCompiler
    from wstal.flow.tvl1_cpu import library

    try:
        library()
    except (NoCompiler, OSError) as error:
        return str(error)
    return ""


def tvl1(
    frames: np.ndarray,
    backend: str = "auto",
    semantics: str = "opencv_cpu",
    *,
    threads: int | None = None,
    device: str = "cpu",
    **params: Any,
) -> np.ndarray:
    """TV-L1 optical flow between consecutive gray frames.

    Args:
        frames: `[N, H, W]` uint8, or floating point in 0..1; sides of at least 3 px.
        backend: `cpu` (C++), `opencv`, `torch`, or `auto` (see `resolve_backend`).
        semantics: `opencv_cpu` is what `cv::optflow::DualTVL1OpticalFlow` computes, the flow
            of the original I3D; `opencv_cuda` what `cv::cuda::OpticalFlowDual_TVL1` does, the
            flow of denseflow.
        threads: pairs computed at a time by `cpu`; default `$OMP_NUM_THREADS`, else all
            CPUs of the process. The result does not depend on it.
        device: where `torch` computes.
        params: changes to the defaults of `TVL1Parameters`.

    Returns:
        `[N-1, H, W, 2]` float32: px to the right and down; a pixel at (x, y) of frame k is
        found at (x, y) + flow[k, y, x] in frame k + 1.

    Raises:
        WstalError: frames of another shape or type, or with NaN; an unknown name or value.
    """
    parameters = TVL1Parameters.of(**params)
    images = check_frames(frames)
    name = resolve_backend(backend, semantics, parameters).name
    if name == "cpu":
        from wstal.flow.tvl1_cpu import tvl1_cpu

        return tvl1_cpu(images, parameters, semantics, threads=threads)
    if name == "opencv":
        from wstal.flow.tvl1_opencv import tvl1_opencv

        return tvl1_opencv(images, parameters, semantics)
    from wstal.flow.tvl1_torch import tvl1_torch

    return tvl1_torch(images, parameters, semantics, device=device).cpu().numpy()
