"""What a flow algorithm may be given."""

from __future__ import annotations

import numpy as np

from wstal.errors import WstalError

SMALLEST = 3  # px; the one-sided gradients at both ends need a pixel between them


def check_frames(frames: np.ndarray) -> np.ndarray:
    """Gray frames `[N, H, W]` in 0..255, uint8 (as they are, bytes go to a GPU faster) or float32.

    Floating point is taken to lie in 0..1, as OpenCV's TV-L1 does.
    Raises WstalError for another shape or type, no frame, a side under 3 px, NaN or infinity.
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
        raise WstalError("frames hold NaN or infinity; flow of them is not defined")
    return frames.astype(np.float32) * np.float32(255)
