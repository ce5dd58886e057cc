"""TV-L1's parameters, under OpenCV's names and with its defaults, its frames, and OpenCV's own."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from wstal.base.errors import WstalError

SEMANTICS = ("opencv_cpu", "opencv_cuda")


@dataclass(frozen=True)
class TVL1Parameters:
    """Zach, Pock, Bischof 2007, as OpenCV's `DualTVL1OpticalFlow` parametrises it.

    The image term is weighted by `lambda_` against the total variation of the flow; both are
    coupled through `theta`. A coarse-to-fine pyramid of `nscales` images, each `scale_step`
    times the size of the one before, ends before a side falls under 16 px. At each scale the
    second image is warped `warps` times; after each warp there are up to `outer_iterations`
    rounds of a median filter followed by `inner_iterations` fixed-point iterations, and all
    of them end once the mean squared change of the flow in one iteration is at most
    `epsilon ** 2`.
    """

    tau: float = 0.25  # time step of the dual variables
    lambda_: float = 0.15  # weight of the image term: smaller is smoother
    theta: float = 0.3  # tightness of the coupling between image term and smoothness
    nscales: int = 5
    warps: int = 5
    epsilon: float = 0.01  # px; stopping threshold
    inner_iterations: int = 30
    outer_iterations: int = 10
    scale_step: float = 0.8  # size ratio of one scale to the finer one
    gamma: float = 0.0  # weight of an additive illumination field; 0: no such field
    median_filtering: int = 5  # side of the median filter in px: 3 or 5; 1 is no filter
    iterations: int = 300  # opencv_cuda only: it has one loop and no median filter

    def __post_init__(self) -> None:
        for name in ("tau", "lambda_", "theta", "scale_step"):
            _demand(self, name, "a positive number", lambda v: _finite(v) and v > 0)
        for name in ("epsilon", "gamma"):
            _demand(self, name, "a number >= 0", lambda v: _finite(v) and v >= 0)
        for name in ("nscales", "warps", "inner_iterations", "outer_iterations", "iterations"):
            _demand(self, name, "an integer >= 1", lambda v: isinstance(v, int) and v >= 1)
        _demand(self, "scale_step", "below 1", lambda v: v < 1)
        _demand(self, "median_filtering", "one of 1, 3, 5", lambda v: v in (1, 3, 5))

    @classmethod
    def of(cls, **params: Any) -> TVL1Parameters:
        """Return the defaults changed by `params`; an unknown name raises WstalError."""
        known = [field.name for field in fields(cls)]
        for name in params:
            if name not in known:
                raise WstalError(f"TV-L1 has no parameter {name!r}; it has {', '.join(known)}")
        return cls(**params)


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _demand(parameters: TVL1Parameters, name: str, what: str, holds: Any) -> None:
    value = getattr(parameters, name)
    if not holds(value):
        raise WstalError(f"TV-L1 parameter {name} must be {what}, not {value!r}")


SMALLEST = 3  # px; the one-sided gradients at both ends need a pixel between them


def check_frames(frames: np.ndarray) -> np.ndarray:
    """Return gray frames `[N, H, W]` in 0..255 as uint8 (unchanged: fewer bytes) or float32.

    Floating point is expected in 0..1, as by OpenCV's TV-L1. Raises WstalError for another shape
    or type, no frame, a side under 3 px, NaN or infinity.
    """
    frames = np.asarray(frames)
    if frames.ndim != 3 or not len(frames):
        raise WstalError(f"flow needs gray frames [N, H, W], N >= 1, not shape {frames.shape}")
    if min(frames.shape[1:]) < SMALLEST:
        raise WstalError(
            f"flow needs frames of at least {SMALLEST}x{SMALLEST} px, not "
            f"{frames.shape[2]}x{frames.shape[1]}"
        )
    if frames.dtype == np.uint8:
        return frames
    if not np.issubdtype(frames.dtype, np.floating):
        raise WstalError(f"flow needs frames as uint8 or float in 0..1, not {frames.dtype}")
    if not np.isfinite(frames).all():
        raise WstalError("frames contain NaN or infinity; their flow is not defined")
    return frames.astype(np.float32) * np.float32(255)


def tvl1_opencv(
    frames: np.ndarray, parameters: TVL1Parameters, semantics: str = "opencv_cpu"
) -> np.ndarray:
    """Return the flow `[N-1, H, W, 2]`, float32 px, between gray frames `[N, H, W]` in 0..255.

    Raises WstalError for other semantics than `opencv_cpu`, and without opencv-contrib.
    """
    import cv2  # here, so that machines without OpenCV can use the other backends

    if semantics != "opencv_cpu":
        raise WstalError(f"backend opencv computes semantics opencv_cpu, not {semantics}")
    if not hasattr(cv2, "optflow"):
        raise WstalError(
            "OpenCV has no module optflow: install opencv-contrib-python-headless, or "
            "choose flow backend cpu or torch"
        )
    flow = np.empty((len(frames) - 1, *frames.shape[1:], 2), np.float32)
    # A solver keeps the shortened pyramid of a small image: each call makes a new one.
    solver = cv2.optflow.DualTVL1OpticalFlow_create(
        tau=parameters.tau,
        lambda_=parameters.lambda_,
        theta=parameters.theta,
        nscales=parameters.nscales,
        warps=parameters.warps,
        epsilon=parameters.epsilon,
        innnerIterations=parameters.inner_iterations,
        outerIterations=parameters.outer_iterations,
        scaleStep=parameters.scale_step,
        gamma=parameters.gamma,
        medianFiltering=parameters.median_filtering,
        useInitialFlow=False,
    )
    # OpenCV multiplies floating-point images by 255.
    images = frames.astype(np.float32) / np.float32(255)
    for pair in range(len(flow)):
        flow[pair] = solver.calc(images[pair], images[pair + 1], None)
    return flow
