"""Dense inverse search (Kroeger et al. 2016) by OpenCV: a fast flow that is not TV-L1."""

from __future__ import annotations

import numpy as np

from wstal.errors import WstalError

PRESETS = ("ultrafast", "fast", "medium")


def dis(frames: np.ndarray, *, preset: str = "medium") -> np.ndarray:
    """Flow `[N-1, H, W, 2]` float32 px between gray uint8 frames `[N, H, W]`.

    Its coarsest patches need sides of some 16 px; smaller frames raise WstalError.
    """
    import cv2

    if preset not in PRESETS:
        raise WstalError(f"DIS preset {preset!r} is not one of {', '.join(PRESETS)}")
    if frames.ndim != 3 or frames.dtype != np.uint8 or min(frames.shape[1:]) < 16:
        raise WstalError(
            f"DIS needs gray uint8 frames [N, H, W] of at least 16x16 px, not "
            f"{frames.dtype} {frames.shape}"
        )
    solver = cv2.DISOpticalFlow_create(getattr(cv2, f"DISOPTICAL_FLOW_PRESET_{preset.upper()}"))
    flow = np.empty((len(frames) - 1, *frames.shape[1:], 2), np.float32)
    for pair in range(len(flow)):
        flow[pair] = solver.calc(frames[pair], frames[pair + 1], None)
    return flow
