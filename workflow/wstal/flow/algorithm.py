"""The flow that a recipe names, as one function of frames, and what is recorded about it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt

from wstal.base.errors import WstalError
from wstal.flow.chunks import GPU_PAIRS, PAIRS
from wstal.flow.definition import TVL1Parameters
from wstal.flow.tvl1_backends.backend import resolve_backend, tvl1


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
        from wstal.flow.alternatives import dis

        return FlowAlgorithm(partial(dis, **params), _attrs(name, "opencv", "", "dis", params))
    if name == "raft":
        from wstal.flow.alternatives import raft

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
