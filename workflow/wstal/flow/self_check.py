"""Does the Triton backend give the torch backend's flow on this GPU? Asked once per process."""

from __future__ import annotations

from functools import cache

import numpy as np

from wstal.flow.parameters import TVL1Parameters

TOLERANCE = 0.05  # px, mean end-point error: what backends may differ by at the default settings
SHIFT = (1.5, -0.75)  # px to the right and down between the two pictures


def moving_texture(height: int = 72, width: int = 96) -> np.ndarray:
    """Two float32 pictures `[2, H, W]` in 0..255 of one smooth texture, moved by SHIFT."""
    y, x = np.mgrid[:height, :width].astype(np.float64)
    pictures = []
    for step in (0, 1):
        u, v = x - step * SHIFT[0], y - step * SHIFT[1]
        waves = np.sin(0.35 * u + 0.1 * v) + np.sin(0.08 * u - 0.3 * v) + np.sin(0.17 * (u + v))
        pictures.append(127.5 + 40 * waves)
    return np.stack(pictures).astype(np.float32)


@cache
def triton_trouble(device: str, semantics: str) -> str:
    """Why Triton's flow cannot be used on this device, empty if it can.

    It is computed for one pair beside the torch backend's, so that a driver or a Triton that
    compiles the kernels wrongly is found before a shard is computed with them. Whatever goes
    wrong in compiling or running them is a reason, never an error.
    """
    try:
        import triton
    except ImportError as error:
        return f"Triton cannot be imported ({error}): install triton"
    if not device.startswith("cuda"):
        return ""  # its interpreter, for tests: nothing is compiled that could be wrong
    from wstal.flow.tvl1_torch import tvl1_torch
    from wstal.flow.tvl1_triton import tvl1_triton

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
