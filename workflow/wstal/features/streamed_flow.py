"""The i3d_flow stage with optical flow that is computed on the way and not kept."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch

from wstal.features.i3d_stage import i3d_shard
from wstal.features.shard import LoadedNetwork
from wstal.flow.algorithm import flow_algorithm
from wstal.flow.stage import flow_key, flow_provenance, stream_flow
from wstal.store import Record
from wstal.video.frames import open_frames


def streamed_flow_shard(
    frames: Path,
    loaded: LoadedNetwork,
    recipe: Mapping[str, Any],
    flow: Mapping[str, Any],
    *,
    device: torch.device,
    flow_code: str,
    threads: int | None = None,
    **settings: Any,
) -> list[Record]:
    """Write the flow features of every video of the manifest `frames`.

    They have the keys of those of kept flow. `recipe` and `flow` are the sections i3d and flow,
    `flow_code` is the digest of the flow stage; `settings` goes to `features_shard`.
    """
    size = {name: flow[name] for name in ("short_side", "interpolation")}
    gray = partial(open_frames, pixels="gray", **size)
    algorithm = flow_algorithm(flow, device=str(device), threads=threads)
    return i3d_shard(
        "flow",
        {"frames": frames},
        loaded,
        recipe,
        device=device,
        open_flow=partial(stream_flow, algorithm=algorithm, bound=flow["bound"], open_gray=gray),
        made_from={"flow": flow_provenance(flow, algorithm, flow_code, str(device))},
        upstream_key=partial(flow_key, recipe=flow, code=flow_code),
        **settings,
    )
