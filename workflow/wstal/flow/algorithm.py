"""The flow that a recipe names, as one function of frames, and what is recorded about it.

TV-L1 lies in `tvl1_backends/`; here are the two others, DIS by OpenCV (fast; Kroeger et al., "Fast
Optical Flow using Dense Inverse Search", ECCV 2016) and RAFT by torchvision (learned; Teed and
Deng, "RAFT: Recurrent All-Pairs Field Transforms for Optical Flow", ECCV 2020), and the choice.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from annotated_types import Ge, Gt
from torch.nn.functional import pad

from wstal.base.errors import WstalError
from wstal.base.torch_files import read_plain
from wstal.flow.codes import GPU_PAIRS, PAIRS
from wstal.flow.definition import TVL1Parameters
from wstal.flow.tvl1_backends.backend import resolve_backend, tvl1

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
    try:
        network.load_state_dict(read_plain(weights))
    except (RuntimeError, TypeError, AttributeError) as error:
        raise WstalError(f"{weights} does not hold the weights of {model}: {error}") from error
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


@dataclass(frozen=True)
class FlowSettings:
    """Section `flow` of a feature recipe: which optical flow, and how it is stored."""

    # Who computes the flow and whether it is kept: part of its provenance, not of its key.
    NO_NUMBERS: ClassVar[tuple[str, ...]] = ("backend", "cache_flow")

    algorithm: Literal["tvl1", "dis", "raft"] = "tvl1"  # published I3D features use TV-L1
    # Which program computes TV-L1; the one used is recorded.
    backend: Literal["auto", "cpu", "opencv", "torch", "triton"] = "auto"
    # Which of OpenCV's two TV-L1 definitions: opencv_cpu is what the released I3D was trained on,
    # opencv_cuda is what denseflow computes.
    semantics: Literal["opencv_cpu", "opencv_cuda"] = "opencv_cpu"
    # px; flow is computed on the resized frame, then cropped (kinetics-i3d)
    short_side: Annotated[int, Ge(16)] = 256
    interpolation: Literal["bilinear"] = "bilinear"
    bound: Annotated[float, Gt(0)] = 20  # px per frame; larger flow is clipped (kinetics-i3d)
    # Keep the flow of each video; false: compute it on the way into I3D (docs/flow.md).
    cache_flow: bool = True
    # Changes to the algorithm's default parameters.
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class FlowAlgorithm:
    """The flow of a recipe on this machine.

    `flow` is gray uint8 `[N, H, W]` -> float32 px `[N-1, H, W, 2]`, an array or, from a GPU, a
    tensor. `attrs` say how it is computed; `pairs` is how many to give it at a time.
    """

    flow: Callable[[np.ndarray], np.ndarray]
    attrs: dict[str, str]
    pairs: int = PAIRS


def flow_algorithm(
    settings: FlowSettings, *, device: str = "cpu", threads: int | None = None
) -> FlowAlgorithm:
    """Return what the section `flow` of a recipe asks for, on this machine.

    Raises WstalError for an unknown algorithm, backend, semantics or parameter.
    """
    name, params = settings.algorithm, dict(settings.params)
    if name == "tvl1":
        return _tvl1(settings, params, device, threads)
    if name == "dis":
        pass

        return FlowAlgorithm(partial(dis, **params), _attrs(name, "opencv", "", "dis", params))
    if name == "raft":
        pass

        flow = partial(raft, device=device, **params)
        return FlowAlgorithm(flow, _attrs(name, "torch", "", "raft", params))
    raise WstalError(f"flow algorithm {name!r} is not one of tvl1, dis, raft")


def _tvl1(
    settings: FlowSettings, params: dict[str, Any], device: str, threads: int | None
) -> FlowAlgorithm:
    parameters, semantics = TVL1Parameters.of(**params), settings.semantics
    backend = resolve_backend(settings.backend, semantics, parameters, device)
    flow = partial(tvl1, backend=backend.name, semantics=semantics, threads=threads, **params)
    if backend.name in ("torch", "triton"):
        flow = partial(flow, device=device, on_device=True)
    attrs = _attrs("tvl1", backend.name, backend.reason, semantics, asdict(parameters))
    return FlowAlgorithm(flow, attrs, GPU_PAIRS if backend.name == "triton" else PAIRS)


def _attrs(
    algorithm: str, backend: str, reason: str, semantics: str, params: Mapping[str, Any]
) -> dict[str, str]:
    return {
        "algorithm": algorithm,
        "backend": backend,
        "backend_reason": reason,
        "semantics": semantics,
        "params_json": json.dumps(params, sort_keys=True),
    }
