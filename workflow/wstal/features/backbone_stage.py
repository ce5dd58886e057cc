"""The stages of backbones other than Inception-I3D: for one video, and for a shard."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from annotated_types import Ge

from wstal.base.array_store import Record, Within, unseen
from wstal.base.device import device_name
from wstal.features.shard import LoadedNetwork, StageInput, features_shard
from wstal.features.snippets import rgb_opener, snippet_extractor
from wstal.networks.backbone import SnippetNetwork, load_backbone
from wstal.networks.weights import UNTRAINED, WeightFile, identify


@dataclass(frozen=True)
class BackboneSettings:
    """The section of a backbone in a feature recipe, named like its stage."""

    NO_NUMBERS: ClassVar[tuple[str, ...]] = ("batch",)

    weights: str  # a name in workflow/reference/weights/sources.yaml, or untrained
    short_side: Annotated[int, Ge(16)]  # px, before the crop
    crop: Annotated[int, Ge(32)]  # px; the size that the weights were trained with
    interpolation: Literal["bilinear"] = "bilinear"
    snippet: Literal[16] = 16  # frames that a row sees
    stride: Literal[16] = 16  # frames from row to row
    tail: Literal["drop", "repeat"] = "drop"  # drop: T = frames // 16
    batch: Annotated[int, Ge(1)] = 8  # snippets at a time


def backbone_network(name: str, weights: str, sources: Mapping[str, WeightFile]) -> LoadedNetwork:
    """The backbone `name` with the weights in a file, or `untrained`.

    `sources` are the weights that are known, by name. Raises WstalError as `identify` and
    `load_backbone`.
    """
    identity = UNTRAINED if weights == UNTRAINED else identify(weights, sources)
    return LoadedNetwork(load_backbone(name, weights), weights, identity)


def backbone_extractor(
    network: SnippetNetwork,
    recipe: Mapping[str, Any],
    device: torch.device,
    within: Within = unseen,
) -> Callable[[StageInput], np.ndarray]:
    """A function from a video (stage `frames`) to `[T, D]`; `recipe` is the backbone's section."""
    torch.backends.cudnn.allow_tf32 = False  # float32 means float32
    network = network.channels_last().to(device)
    settings = {"crop": recipe["crop"], "batch": recipe["batch"], "device": device}
    return snippet_extractor(network, rgb_opener(recipe), recipe["tail"], within, **settings)


def backbone_shard(
    name: str,
    frames: Path,
    loaded: LoadedNetwork,
    recipe: Mapping[str, Any],
    *,
    device: torch.device,
    within: Within = unseen,
    **settings: Any,
) -> list[Record]:
    """Write the features of every video of the manifest `frames`.

    `recipe` is the section of the backbone `name`; `settings` goes to `features_shard`.
    """
    return features_shard(
        name,
        {"frames": frames},
        backbone_extractor(loaded.network, recipe, device, within),
        recipe,
        weights=loaded.identity,
        device=device_name(device),
        packages=loaded.network.packages,
        **settings,
    )
