"""CLIP's image towers of open_clip, by the names of its architectures."""

from __future__ import annotations

import logging
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from wstal.base.errors import WstalError
from wstal.networks.backbone import BackboneEntry, Built, over_frames
from wstal.networks.torchvision_import import import_torchvision
from wstal.networks.weights import load_file_into, only_file

PACKAGES = ("open_clip_torch",)


def import_open_clip() -> ModuleType:
    """Import open_clip, which imports torchvision where it is installed."""
    if find_spec("torchvision"):
        import_torchvision()
    import open_clip

    logging.getLogger().addFilter(_is_news)  # the weights are loaded after it made the network
    return open_clip


def _is_news(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith("No pretrained weights loaded")


def build(entry: BackboneEntry, weights: Path | None) -> Built:
    """Return the image tower of an entry; its vector is the embedding, not normalised.

    Raises WstalError for an unknown model, weights of another one, and another size.
    """
    open_clip = import_open_clip()
    if entry.model not in open_clip.list_models():
        raise WstalError(
            f"open_clip has no model {entry.model!r}; `python -c 'import open_clip; "
            "print(open_clip.list_models())'` lists them"
        )
    network = open_clip.create_model(entry.model, pretrained=None)
    load_file_into(network, weights and only_file(weights, entry.model))
    size = network.visual.image_size
    side = size[0] if isinstance(size, tuple | list) else size
    if side != entry.crop:
        raise WstalError(
            f"{entry.model}: crop is {entry.crop}, but its grid of tokens is of pictures of "
            f"{side} px; set `crop: {side}`"
        )
    width = network.visual.output_dim
    return Built(network, over_frames(lambda net, x: net.encode_image(x)), width, PACKAGES)
