"""TV-L1 by OpenCV's CPU implementation: the reference, and the slow fall back."""

from __future__ import annotations

import numpy as np

from wstal.base.errors import WstalError
from wstal.flow.definition import TVL1Parameters


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
