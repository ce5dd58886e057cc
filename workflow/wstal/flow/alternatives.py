"""Two flows that are not TV-L1: DIS by OpenCV (fast) and RAFT by torchvision (learned).

Kroeger et al., "Fast Optical Flow using Dense Inverse Search", ECCV 2016; Teed and Deng, "RAFT:
Recurrent All-Pairs Field Transforms for Optical Flow", ECCV 2020.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import pad

from wstal.base.errors import WstalError

DIS_PRESETS = ("ultrafast", "fast", "medium")
DIS_SMALLEST = 16  # px, about the side of its coarsest patches
RAFT_MODELS = ("raft_small", "raft_large")
RAFT_SMALLEST = 128  # px; its correlation pyramid needs 16 positions at 1/8 of the size


def dis(frames: np.ndarray, *, preset: str = "medium") -> np.ndarray:
    """Return the flow `[N-1, H, W, 2]`, float32 px, between gray uint8 frames `[N, H, W]`.

    Raises WstalError for an unknown preset, and for frames that are smaller than 16 px.
    """
    import cv2

    if preset not in DIS_PRESETS:
        raise WstalError(f"DIS preset {preset!r} is not one of {', '.join(DIS_PRESETS)}")
    if frames.ndim != 3 or frames.dtype != np.uint8 or min(frames.shape[1:]) < DIS_SMALLEST:
        raise WstalError(
            f"DIS needs gray uint8 frames [N, H, W] of at least {DIS_SMALLEST}x{DIS_SMALLEST} px, "
            f"not {frames.dtype} {frames.shape}"
        )
    solver = cv2.DISOpticalFlow_create(getattr(cv2, f"DISOPTICAL_FLOW_PRESET_{preset.upper()}"))
    flow = np.empty((len(frames) - 1, *frames.shape[1:], 2), np.float32)
    for pair in range(len(flow)):
        flow[pair] = solver.calc(frames[pair], frames[pair + 1], None)
    return flow


@cache
def load_raft(weights: str, model: str, device: str) -> torch.nn.Module:
    """Return the network with the weights in the file `weights`; WstalError if that is missing."""
    from wstal.networks.torchvision_import import import_torchvision

    if model not in RAFT_MODELS:
        raise WstalError(f"RAFT model {model!r} is not one of {', '.join(RAFT_MODELS)}")
    builders = import_torchvision().models.optical_flow
    if not weights or not Path(weights).is_file():
        kind = {"raft_small": "Raft_Small_Weights", "raft_large": "Raft_Large_Weights"}[model]
        url = getattr(builders, kind).DEFAULT.url
        raise WstalError(
            f"RAFT needs its weights: download {url} and give the file in the recipe as "
            f"flow: params: weights: (now {weights!r})"
        )
    network = getattr(builders, model)(weights=None)
    network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    return network.eval().to(device)


@torch.inference_mode()
def raft(
    frames: np.ndarray,
    *,
    weights: str = "",
    model: str = "raft_small",
    iterations: int = 12,
    device: str = "cpu",
    network: Callable | None = None,
) -> np.ndarray:
    """Return the flow `[N-1, H, W, 2]`, float32 px, between gray uint8 frames `[N, H, W]`.

    RAFT was trained on colour: gray goes into all three channels. Frames are padded to a multiple
    of 8, and to at least 128 px, by repeating the edge. `network` replaces the loaded one in tests.
    Raises WstalError for an unknown model, and without weights.
    """
    network = network or load_raft(weights, model, device)
    height, width = frames.shape[1:]
    below, right = (max(RAFT_SMALLEST, -(-side // 8) * 8) - side for side in (height, width))
    flow = np.empty((len(frames) - 1, height, width, 2), np.float32)
    for pair in range(len(flow)):
        images = torch.from_numpy(frames[pair : pair + 2]).to(device).float() / 127.5 - 1
        images = pad(images[:, None], (0, right, 0, below), mode="replicate").expand(-1, 3, -1, -1)
        fields = network(images[:1], images[1:], num_flow_updates=iterations)[-1]
        flow[pair] = fields[0, :, :height, :width].permute(1, 2, 0).cpu().numpy()
    return flow
