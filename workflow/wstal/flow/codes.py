"""Flow as one signed byte per component: symmetric, so that no motion stays no motion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wstal.base.errors import WstalError

if TYPE_CHECKING:
    from torch import Tensor

LEVELS = 127  # +-bound <-> +-127; -128 is never used
_NAN = "the flow to be encoded contains NaN; the field it came from is not defined"


def encode(flow: np.ndarray | Tensor, bound: float) -> np.ndarray:
    """Clip flow in px, of any shape, to `[-bound, bound]` and return it as int8 of that shape.

    One step is `bound / 127` px (0.157 px at the bound 20 of the I3D recipe), rounded to the
    nearest. NaN raises WstalError. A tensor is encoded on its device: a quarter of the bytes
    leave the GPU.
    """
    _check(bound)
    if hasattr(flow, "cpu"):
        scaled = flow.float() * (LEVELS / bound)
        if scaled.isnan().any():
            raise WstalError(_NAN)
        codes = scaled.clamp_(-LEVELS, LEVELS).round_().char()
        # A GPU writes page-locked memory ten times as fast as any other.
        host = codes.new_empty(codes.shape, device="cpu", pin_memory=codes.is_cuda)
        return host.copy_(codes).numpy()
    scaled = np.asarray(flow, dtype=np.float32) * np.float32(LEVELS / bound)
    if np.isnan(scaled).any():
        raise WstalError(_NAN)
    return np.rint(np.clip(scaled, -LEVELS, LEVELS)).astype(np.int8)


def decode(codes: np.ndarray, bound: float) -> np.ndarray:
    """Return int8 codes of any shape as float32 px."""
    _check(bound)
    return np.asarray(codes).astype(np.float32) * np.float32(bound / LEVELS)


def _check(bound: float) -> None:
    if not bound > 0:
        raise WstalError(f"the flow bound must be a positive number of px, not {bound!r}")
