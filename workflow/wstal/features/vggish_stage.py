"""The vggish stage: what it computes for one video, and for a shard."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from annotated_types import Ge, Gt
from torch import nn

from wstal.base.array_store import Record, read_arrays
from wstal.base.device import device_name
from wstal.features.shard import LoadedNetwork, StageInput, features_shard, frames_and_fps
from wstal.features.snippets import vggish_features
from wstal.media.timeline import snippet_count, snippet_step
from wstal.networks.vggish import load_postprocess, load_vggish, untrained_vggish
from wstal.networks.weights import UNTRAINED, WeightFile, identify


@dataclass(frozen=True)
class VggishSettings:
    """Section `vggish` of a feature recipe."""

    NO_NUMBERS: ClassVar[tuple[str, ...]] = ("batch",)

    weights: str = "vggish"  # a name in workflow/reference/weights/sources.yaml, or untrained
    width: Annotated[float, Gt(0)] = 1.0  # of the hidden layers; the published weights have 1.0
    # post: ends in a ReLU, as the public PyTorch port; pre: as Google's original
    activation: Literal["pre", "post"] = "post"
    tail: Literal["drop", "repeat"] = "drop"  # as i3d's, so that both have the same T
    # Whitened principal components; pca8: in 8 bits, as AudioSet's own features.
    postprocess: Literal["none", "pca", "pca8"] = "none"
    pca: str = "vggish_pca"  # the parameters of the components: a name in sources.yaml
    batch: Annotated[int, Ge(1)] = 32  # examples at a time


def vggish_network(
    weights: str,
    recipe: Mapping[str, Any],
    sources: Mapping[str, WeightFile],
    pca: str | Path | None = None,
) -> LoadedNetwork:
    """The network with the weights in a file, or `untrained`, and the postprocess of `recipe`.

    `recipe` is the vggish section, `pca` the file of the postprocess's parameters, `sources` the
    weights that are known, by name. Raises WstalError as `identify` and `load_vggish`.
    """
    options, postprocess = (recipe["width"], recipe["activation"]), recipe["postprocess"]
    if weights == UNTRAINED:
        network, identity = untrained_vggish(*options), UNTRAINED
    else:
        identity = identify(weights, sources)
        network = load_vggish(weights, *options)
    if pca:
        identity += " " + identify(pca, sources)
        network = nn.Sequential(network, load_postprocess(pca, postprocess))
    return LoadedNetwork(network, weights, identity)


def vggish_extractor(
    network: nn.Module, recipe: Mapping[str, Any], device: torch.device
) -> Callable[[StageInput], np.ndarray]:
    """A function from a video (stages `frames`, `audio`) to `[T, 128]`, T as for I3D.

    `recipe` is the vggish section. A video without a sound track is heard as silence; its
    status says so.
    """
    torch.backends.cudnn.allow_tf32 = False  # float32 means float32
    network = network.to(device, memory_format=torch.channels_last).requires_grad_(False)

    def extract(video: StageInput) -> np.ndarray:
        frames, fps = frames_and_fps(video.files["frames"])
        rows, step = snippet_count(frames, recipe.get("tail", "drop")), snippet_step(fps)
        sound = read_arrays(video.files["audio"], ["sound"])["sound"]
        return vggish_features(network, sound, rows, step, batch=recipe["batch"], device=device)

    return extract


def vggish_shard(
    shards: Mapping[str, Path],
    loaded: LoadedNetwork,
    recipe: Mapping[str, Any],
    *,
    device: torch.device,
    **settings: Any,
) -> list[Record]:
    """Write the features of every video of the manifests `shards` (frames, audio).

    `recipe` is the vggish section; `settings` goes to `features_shard`.
    """
    return features_shard(
        "vggish",
        shards,
        vggish_extractor(loaded.network, recipe, device),
        recipe,
        weights=loaded.identity,
        device=device_name(device),
        **settings,
    )
