"""The stages of backbones other than Inception-I3D: for one video, and for a shard."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from wstal.base.array_store import Record
from wstal.base.device import device_name
from wstal.base.progress import Within, unseen
from wstal.features.shard import LoadedNetwork, StageInput, features_shard
from wstal.features.snippets import rgb_opener, snippet_extractor
from wstal.networks.backbone import SnippetNetwork, load_backbone
from wstal.networks.weights import UNTRAINED, WeightFile, identify


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
