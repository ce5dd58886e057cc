"""CLIP's image towers of open_clip, by the names of its architectures."""

from __future__ import annotations

import logging
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from torch import Tensor, nn

from wstal.base.errors import WstalError
from wstal.networks.backbone import BackboneEntry, Built, TextSide, over_frames
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
    network = _loaded(entry, weights)
    size = network.visual.image_size
    side = size[0] if isinstance(size, tuple | list) else size
    if side != entry.crop:
        raise WstalError(
            f"{entry.model}: crop is {entry.crop}, but its grid of tokens is of pictures of "
            f"{side} px; set `crop: {side}`"
        )
    width = network.visual.output_dim
    return Built(network, over_frames(lambda net, x: net.encode_image(x)), width, PACKAGES)


def text_side(entry: BackboneEntry, weights: Path) -> TextSide:
    """Return the text side of an entry, from the file of its image tower.

    Raises WstalError as `build`, for a tokenizer that open_clip would download, and for a sentence
    that is longer than the network reads.
    """
    network = _loaded(entry, weights).eval()
    open_clip = import_open_clip()
    about = open_clip.get_model_config(entry.model)["text_cfg"]
    if outside := about.get("hf_tokenizer_name"):
        raise WstalError(
            f"{entry.model}: its tokenizer {outside} is not part of open_clip, which would "
            "download it; take a model of `library: transformers` for text"
        )
    tokenizer = open_clip.get_tokenizer(entry.model)

    def encode(sentences: list[str]) -> Tensor:
        longest = max(sentences, key=lambda each: len(tokenizer.encode(each)))
        if len(tokenizer.encode(longest)) + 2 > tokenizer.context_length:  # its start and end
            raise WstalError(
                f"a prompt is longer than the {tokenizer.context_length} tokens that "
                f"{entry.model} reads: {longest!r}; shorten it, or the class's name"
            )
        return network.encode_text(tokenizer(sentences))

    return TextSide(encode, float(network.logit_scale.detach().exp()))


def _loaded(entry: BackboneEntry, weights: Path | None) -> nn.Module:
    """Return both towers of an entry with their weights, or random ones."""
    open_clip = import_open_clip()
    if entry.model not in open_clip.list_models():
        raise WstalError(
            f"open_clip has no model {entry.model!r}; `python -c 'import open_clip; "
            "print(open_clip.list_models())'` lists them"
        )
    network = open_clip.create_model(entry.model, pretrained=None)
    return load_file_into(network, weights and only_file(weights, entry.model))
