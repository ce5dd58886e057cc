"""The i3d_rgb and i3d_flow stages: what they compute for one video, and for a shard."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from annotated_types import Ge, Gt
from torch import nn

from wstal.base.array_store import Record, Within, unseen
from wstal.base.device import device_name
from wstal.features.shard import LoadedNetwork, StageInput, features_shard
from wstal.features.snippets import Opener, read_flow, rgb_opener, snippet_extractor
from wstal.features.verify import precision_stamp
from wstal.flow.algorithm import flow_algorithm
from wstal.flow.stage import flow_key, flow_provenance, stream_flow
from wstal.media.frames import open_frames
from wstal.networks.i3d.inference import EXACT, TenCrop, for_inference
from wstal.networks.i3d.network import load_i3d, untrained_i3d
from wstal.networks.weights import UNTRAINED, WeightFile, identify


@dataclass(frozen=True)
class I3DWeights:
    """Names in workflow/reference/weights/sources.yaml, or `untrained`, by stream."""

    rgb: str = "i3d_rgb_imagenet"
    flow: str = "i3d_flow_imagenet"


@dataclass(frozen=True)
class I3DSettings:
    """Section `i3d` of a feature recipe, of both streams: Inception-I3D and what it sees."""

    NO_NUMBERS: ClassVar[tuple[str, ...]] = ("batch",)

    weights: I3DWeights = I3DWeights()
    width: Annotated[float, Gt(0)] = 1.0  # of all layers; the published weights have 1.0
    short_side: Annotated[int, Ge(16)] = 256  # px, before the crop (kinetics-i3d)
    interpolation: Literal["bilinear"] = "bilinear"
    crop: Annotated[int, Ge(32)] = 224  # px (kinetics-i3d)
    # ten: the mean over corners, centre and their mirrors; the recipe's name then says tencrop
    crop_mode: Literal["centre", "ten"] = "centre"
    snippet: Literal[16] = 16  # frames that a row sees
    stride: Literal[16] = 16  # frames from row to row
    tail: Literal["drop", "repeat"] = "drop"  # drop: T = frames // 16
    # fp32 is exact; the others (tf32 and fp16 on GPUs only) are `unverified` until
    # `check_precision` has passed them with the weights.
    precision: Literal["fp32", "tf32", "fp16", "bf16"] = "fp32"
    batch: Annotated[int, Ge(1)] | None = None  # snippets at a time; null: 8 on CPUs, 32 on GPUs


STREAMS = {"rgb": 3, "flow": 2}  # input channels
BATCH = {"cpu": 8, "cuda": 32}  # snippets at a time where the recipe leaves it open


def i3d_network(
    weights: str, stream: str, width: float, sources: Mapping[str, WeightFile]
) -> LoadedNetwork:
    """The network of a stream with the weights in a file, or `untrained`.

    `sources` are the weights that are known, by name. Raises WstalError as `identify` and
    `load_i3d`.
    """
    if weights == UNTRAINED:
        return LoadedNetwork(untrained_i3d(STREAMS[stream], width), UNTRAINED, UNTRAINED)
    identity = identify(weights, sources)
    return LoadedNetwork(load_i3d(weights, STREAMS[stream], width), weights, identity)


def kept_flow(video: StageInput) -> Iterable[np.ndarray]:
    """Chunks of a video's flow file."""
    return read_flow(video.files["flow"])


def i3d_extractor(
    stream: str,
    network: nn.Module,
    recipe: Mapping[str, Any],
    device: torch.device,
    open_flow: Opener = kept_flow,
    within: Within = unseen,
) -> Callable[[StageInput], np.ndarray]:
    """A function from a video (stages `frames`, and `flow` for that stream) to `[T, 1024 * width]`.

    `recipe` is the i3d section. `open_flow` gives a video's int8 flow codes in chunks; by
    default they come from its flow file. A video of a single frame has no flow: its snippet is
    one of no motion.
    """
    fast = for_inference(network, device, recipe.get("precision", EXACT))
    batch = recipe["batch"] or BATCH[device.type]
    settings = {"crop": recipe["crop"], "batch": batch, "device": device}
    if recipe.get("crop_mode") == "ten":
        fast, settings["crop"] = TenCrop(fast, recipe["crop"]), None
    opener = open_flow if stream == "flow" else rgb_opener(recipe)
    return snippet_extractor(fast, opener, recipe["tail"], within, **settings)


def i3d_shard(
    stream: str,
    shards: Mapping[str, Path],
    loaded: LoadedNetwork,
    recipe: Mapping[str, Any],
    *,
    device: torch.device,
    open_flow: Opener = kept_flow,
    within: Within = unseen,
    made_from: Mapping[str, Any] | None = None,
    **settings: Any,
) -> list[Record]:
    """Write the features of a stream for every video of the manifests `shards` (frames, flow).

    `recipe` is the i3d section; `settings` goes to `features_shard`, which says what it is.
    """
    stamp = precision_stamp(recipe, loaded.weights, loaded.identity, device)
    return features_shard(
        f"i3d_{stream}",
        shards,
        i3d_extractor(stream, loaded.network, recipe, device, open_flow, within),
        recipe,
        weights=loaded.identity,
        device=device_name(device),
        made_from={**(made_from or {}), **stamp},
        **settings,
    )


# FOLDED The i3d_flow stage with optical flow that is computed on the way and not kept.


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
