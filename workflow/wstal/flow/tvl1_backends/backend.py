"""The public function `tvl1`, and the choice of the backend that computes it."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from wstal.base.errors import WstalError
from wstal.flow.definition import SEMANTICS, TVL1Parameters, check_frames

if TYPE_CHECKING:
    from torch import Tensor  # slow to import, and two of four backends work without it

BACKENDS = ("auto", "cpu", "opencv", "torch", "triton")
TOLERANCE = 0.05  # px, largest mean end-point error between backends at the default settings
SHIFT = (1.5, -0.75)  # px to the right and down between the two trial pictures


def tvl1(
    frames: np.ndarray,
    backend: str = "auto",
    semantics: str = "opencv_cpu",
    *,
    threads: int | None = None,
    device: str | None = None,
    on_device: bool = False,
    **params: Any,
) -> np.ndarray | Tensor:
    """Return the TV-L1 optical flow between consecutive gray frames.

    Args:
        frames: `[N, H, W]` uint8, or floating point in 0..1; sides of at least 3 px.
        backend: `cpu` (C++), `opencv`, `torch`, `triton`, or `auto` (see `resolve_backend`).
        semantics: `opencv_cpu`, the result of `cv::optflow::DualTVL1OpticalFlow`, is the flow of
            the original I3D; `opencv_cuda`, of `cv::cuda::OpticalFlowDual_TVL1`, that of denseflow.
        threads: pairs computed at a time by `cpu`; default `$OMP_NUM_THREADS`, else all
            CPUs of the process. The result does not depend on it.
        device: of `torch` and `triton`; default `cuda` for `triton`, else `cpu`.
        on_device: let these two return a tensor on their device.
        params: changes to the defaults of `TVL1Parameters`.

    Returns:
        `[N-1, H, W, 2]` float32, px to the right and down: a pixel at (x, y) of frame k is at
        (x, y) + flow[k, y, x] in frame k + 1.

    Raises:
        WstalError: frames of another shape or type, or with NaN; an unknown name or value.
    """
    parameters = TVL1Parameters.of(**params)
    images = check_frames(frames)
    device = device or ("cuda" if backend == "triton" else "cpu")
    name = resolve_backend(backend, semantics, parameters, device).name
    if name == "cpu":
        from wstal.flow.tvl1_backends.cpu import tvl1_cpu

        return tvl1_cpu(images, parameters, semantics, threads=threads)
    if name == "opencv":
        from wstal.flow.definition import tvl1_opencv

        return tvl1_opencv(images, parameters, semantics)
    if name == "triton":
        from wstal.flow.tvl1_backends.triton import tvl1_triton

        if trouble := triton_trouble(device, semantics):
            raise WstalError(f"flow backend triton: {trouble}; or choose another backend")
        flow = tvl1_triton(images, parameters, semantics, device=device)
    else:
        from wstal.flow.tvl1_backends.torch import tvl1_torch

        flow = tvl1_torch(images, parameters, semantics, device=device)
    return flow if on_device else flow.cpu().numpy()


@dataclass(frozen=True)
class Backend:
    """A backend, and the reason for its choice (empty if it was chosen by name)."""

    name: str
    reason: str = ""


def resolve_backend(
    backend: str = "auto",
    semantics: str = "opencv_cpu",
    parameters: TVL1Parameters | None = None,
    device: str = "cpu",
) -> Backend:
    """Return the backend that `backend` means on this machine, to be recorded beside the flow.

    `auto` is Triton if `device` is a GPU, else C++. Torch replaces Triton if that is not installed
    or gives another flow for a trial pair (`triton_trouble`), and OpenCV (for `opencv_cuda`, torch)
    replaces C++ without a compiler; both with a warning. `gamma > 0` goes to torch on a GPU, else
    to OpenCV (`opencv_cuda`: torch). A backend chosen by name is never replaced. Raises WstalError
    for an unknown name.
    """
    if backend not in BACKENDS:
        raise WstalError(f"flow backend {backend!r} is not one of {', '.join(BACKENDS)}")
    if semantics not in SEMANTICS:
        raise WstalError(f"TV-L1 semantics {semantics!r} is not one of {', '.join(SEMANTICS)}")
    if backend != "auto":
        return Backend(backend)
    on_gpu = device.startswith("cuda")
    other = "torch" if on_gpu or semantics != "opencv_cpu" else "opencv"
    if parameters is not None and parameters.gamma:
        fast = "Triton" if on_gpu else "C++"
        return Backend(other, f"the {fast} backend has no illumination field (gamma > 0)")
    if on_gpu:
        if not (missing := triton_trouble(device, semantics)):
            return Backend("triton", "on a GPU")
        warnings.warn(f"TV-L1 by torch, a hundred times slower: {missing}", stacklevel=2)
        return Backend("torch", missing)
    missing = _compiler_trouble()
    if not missing:
        return Backend("cpu", "compiled C++")
    reason = f"fell back from the C++ backend: {missing}"
    warnings.warn(f"TV-L1 by {other}, tens of times slower: {missing}", stacklevel=2)
    return Backend(other, reason)


@cache
def _compiler_trouble() -> str:
    from wstal.flow.tvl1_backends.cpu import NoCompiler, library

    try:
        library()
    except (NoCompiler, OSError) as error:
        return str(error)
    return ""


@cache
def triton_trouble(device: str, semantics: str) -> str:
    """Return why Triton's flow cannot be used on this device; empty if it can.

    One pair is computed by Triton and by torch, so that a driver or a Triton that compiles the
    kernels wrongly is found before a shard is computed. Any failure to compile or run them is a
    reason, never an error. Computed once per process.
    """
    try:
        import triton
    except ImportError as error:
        return f"Triton cannot be imported ({error}): install triton"
    if not device.startswith("cuda"):
        return ""  # the interpreter, for tests, compiles nothing
    from wstal.flow.tvl1_backends.torch import tvl1_torch
    from wstal.flow.tvl1_backends.triton import tvl1_triton

    frames, parameters = moving_texture(), TVL1Parameters()
    try:
        found = tvl1_triton(frames, parameters, semantics, device=device)
    except Exception as error:  # of many kinds: compiler, driver, memory
        what = f"Triton {triton.__version__} (3.4 or newer is needed) fails on {device}"
        return f"{what}: {type(error).__name__}: {error}"
    wanted = tvl1_torch(frames, parameters, semantics, device=device)
    apart = float((found - wanted).norm(dim=-1).mean())
    if not apart < TOLERANCE:
        return f"Triton's flow on {device} is {apart:.3g} px off the torch backend's"
    return ""


def moving_texture(height: int = 72, width: int = 96) -> np.ndarray:
    """Return two float32 pictures `[2, H, W]` in 0..255 of a smooth texture that moves by SHIFT."""
    y, x = np.mgrid[:height, :width].astype(np.float64)
    pictures = []
    for step in (0, 1):
        u, v = x - step * SHIFT[0], y - step * SHIFT[1]
        waves = np.sin(0.35 * u + 0.1 * v) + np.sin(0.08 * u - 0.3 * v) + np.sin(0.17 * (u + v))
        pictures.append(127.5 + 40 * waves)
    return np.stack(pictures).astype(np.float32)
