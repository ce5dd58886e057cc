"""Image networks of timm, by their names there; their pictures are prepared as timm does it."""

from __future__ import annotations

import math
from collections.abc import Callable
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import Tensor, nn

from wstal.base.errors import WstalError
from wstal.networks.backbone import BackboneEntry, Built, over_frames
from wstal.networks.torchvision_import import import_torchvision
from wstal.networks.weights import load_file_into, only_file

PACKAGES = ("timm",)
INTERPOLATIONS = {"bilinear": "antialiased_bilinear", "bicubic": "antialiased_bicubic"}


def import_timm() -> ModuleType:
    """Import timm, which imports torchvision where it is installed."""
    if find_spec("torchvision"):
        import_torchvision()
    import timm

    return timm


def published(model: str) -> dict[str, Any]:
    """Return what timm itself states of a model, as the keys of an entry.

    Raises WstalError for a name that it does not know, with the nearest one, and for a model whose
    pictures are prepared in a way that is not supported.
    """
    timm = import_timm()
    if not timm.is_model(model):
        near = get_close_matches(model, timm.list_models(pretrained=True), 3)
        raise WstalError(
            f"timm {timm.__version__} has no model {model!r}; nearest: {', '.join(near) or 'none'}"
        )
    about = timm.get_pretrained_cfg(model).to_dict()
    data = timm.data.resolve_data_config(pretrained_cfg=about)
    side, squashed = data["input_size"][1], data["crop_mode"] == "squash"
    if data["interpolation"] not in INTERPOLATIONS or data["input_size"][1:] != (side, side):
        raise WstalError(
            f"timm's {model} takes pictures of {data['input_size'][1:]} by "
            f"{data['interpolation']}; only squares by {' or '.join(INTERPOLATIONS)} are supported"
        )
    return {
        "library": "timm",
        "model": model,
        "input": "images",
        "short_side": None if squashed else math.floor(side / data["crop_pct"]),
        "crop": side,
        "interpolation": INTERPOLATIONS[data["interpolation"]],
        "mean": list(data["mean"]),
        "std": list(data["std"]),
        "licence": about.get("license") or "not stated",
    }


def entry_of(model: str) -> dict[str, Any]:
    """Return the whole entry of a model of timm by its name; raises as `published`."""
    network = import_timm().create_model(model, pretrained=False, num_classes=0)
    width = getattr(network, "head_hidden_size", network.num_features)
    return published(model) | {"width": width, "title": f"{model} of timm"}


def build(entry: BackboneEntry, weights: Path | None) -> Built:
    """Return the network of an entry, without its classifier.

    Raises WstalError for an unknown model, weights of another one, and pictures that are not
    prepared as timm states.
    """
    stated = published(entry.model)
    for key in ("mean", "std", "interpolation"):
        ours = getattr(entry, key)
        ours = list(ours) if isinstance(ours, tuple) else ours
        if ours != stated[key]:
            raise WstalError(
                f"{key}: {ours}, but timm states {stated[key]} for {entry.model}; correct the entry"
            )
    timm = import_timm()
    classes = timm.get_pretrained_cfg(entry.model).num_classes
    network = timm.create_model(entry.model, pretrained=False, num_classes=classes)
    load_file_into(network, weights and only_file(weights, entry.model))
    network.reset_classifier(0)
    _check_size(entry, network)
    width = getattr(network, "head_hidden_size", network.num_features)
    if entry.output in ("mean_tokens", "class_token"):
        width = network.num_features
    return Built(network, over_frames(_vector(entry)), width, PACKAGES)


def _check_size(entry: BackboneEntry, network: nn.Module) -> None:
    """Raise WstalError for pictures of another size than that of the network's tokens."""
    patches = getattr(network, "patch_embed", None)
    size = getattr(patches, "img_size", None)
    if size and getattr(patches, "strict_img_size", True) and size[0] != entry.crop:
        raise WstalError(
            f"{entry.model}: crop is {entry.crop}, but its grid of tokens is of pictures of "
            f"{size[0]} px; set `crop: {size[0]}`"
        )


def _vector(entry: BackboneEntry) -> Callable[[nn.Module, Tensor], Tensor]:
    if entry.output == "classifier_input":
        return lambda network, x: network(x)
    if entry.output == "class_token":
        return lambda network, x: network.forward_features(x)[:, 0]
    if entry.output == "mean_tokens":
        return lambda network, x: network.forward_features(x)[:, network.num_prefix_tokens :].mean(
            1
        )
    raise WstalError(
        f"output: {entry.output} is not of timm; classifier_input, class_token or mean_tokens is"
    )
