"""Backbones: other networks than Inception-I3D behind its interface, a snippet in, a vector out.

An entry says which library loads a network, what it sees and which of its outputs is the vector;
the entries are in `workflow/config/backbones`. Each library has one module in `backbones/`, its
adapter, whose `build` makes the network of an entry.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self

import numpy as np
import torch
from annotated_types import Ge, MinLen
from torch import Tensor, nn

from wstal.base.errors import WstalError
from wstal.base.settings import Count, Positive, SettingsError, from_plain
from wstal.networks.backbones import LIBRARIES
from wstal.networks.weights import EXACT, UNTRAINED, seeded

Precision = Literal["fp32", "bf16"]
Triple = tuple[float, float, float]
# With which the pictures of the weights' training were resized. bilinear is OpenCV's, as for I3D;
# linear is torch's; the antialiased ones are Pillow's filters, as torch and torchvision have them.
Interpolation = Literal["bilinear", "linear", "antialiased_bilinear", "antialiased_bicubic"]


@dataclass(frozen=True)
class TextSettings:
    """The section `text` of an entry: the sentences that its text side reads (`networks/text.py`).

    They change no feature.
    """

    prompts: Annotated[tuple[str, ...], MinLen(1)]  # {} is the class
    background: Annotated[tuple[str, ...], MinLen(1)]  # where no class is seen or heard

    def __post_init__(self) -> None:
        for prompt in self.prompts:
            if prompt.count("{}") != 1:
                raise SettingsError(
                    f"prompts: {prompt!r} needs one {{}}, the place of the class's name"
                )
        if named := [sentence for sentence in self.background if "{}" in sentence]:
            raise SettingsError(f"background: {named[0]!r} is of no class; remove the {{}}")


@dataclass(frozen=True)
class BackboneEntry:
    """One entry of `workflow/config/backbones/*.yaml`."""

    # What loads it; `file` is a file of your own.
    library: Literal["torchvision", "pytorchvideo", "transformers", "timm", "open_clip", "file"]
    # Its name there: a hub identifier, a model's name, or the path of the file.
    model: str
    width: Count  # of the vector
    title: str = ""  # of tables
    network: str = ""  # transformers: the class
    # Of the network without weights (`untrained`): what differs from the defaults of its class.
    config: Mapping[str, Any] = field(default_factory=dict)
    # video: all frames of a window at once; images: each frame alone, the mean of the vectors is
    # taken; flow: as video, of two channels in [-1, 1]; sound: the samples around a row.
    input: Literal["video", "images", "flow", "sound"] = "video"
    # classifier_input: what the network's own classifier sees; mean_tokens, class_token: of the
    # last hidden states, or those of `layer`; pooler: the pooled output; embedding: in the space
    # that the network shares with text.
    output: Literal["classifier_input", "mean_tokens", "class_token", "pooler", "embedding"] = (
        "classifier_input"
    )
    layer: Annotated[int, Ge(0)] | None = None  # 0 is the input of the first layer
    short_side: Annotated[int, Ge(16)] | None = None  # px before the crop; null: squashed to crop
    crop: Annotated[int, Ge(16)] = 224  # px
    interpolation: Interpolation = "antialiased_bilinear"
    mean: Triple = (0.485, 0.456, 0.406)  # of RGB in [0, 1]; the default is ImageNet's
    std: Triple = (0.229, 0.224, 0.225)
    frames: Count | None = None  # that a window must have; null: any number
    tubelet: Count = 1  # frames of a token: their number is a multiple of it
    hub: str | None = None  # the hub's identifier, if `model` is not
    rate: Count = 16000  # Hz of the sound
    seconds: Positive = 10.0  # of the sound around a row
    # A name in sources.yaml, or a file or folder; null: results/weights/{name}, a folder.
    weights: str | None = None
    licence: str = "not stated"  # of the weights
    megabytes: Positive | None = None  # of the download, about
    # The commit of the hub that a download takes; null: the newest, which the download records.
    revision: str | None = None
    sha256: str | None = None  # of model.safetensors; null: recorded in the features, not checked
    # What its text side reads, of a network whose vectors share their space with text; null: none.
    text: TextSettings | None = None

    def __post_init__(self) -> None:
        if self.library == "transformers" and not self.network:
            raise SettingsError("network: missing; name the class of transformers that loads it")
        if self.short_side is not None and self.crop > self.short_side:
            raise SettingsError(
                f"crop: {self.crop} px do not fit into a short side of {self.short_side} px; "
                "choose a crop of at most short_side"
            )
        if self.layer is not None and self.output not in ("mean_tokens", "class_token"):
            raise SettingsError(f"layer: output {self.output} is not of a layer; remove `layer:`")


def backbone_entries(plain: Mapping[str, Mapping[str, Any]]) -> dict[str, BackboneEntry]:
    """Return entries by name from their checked plain trees."""
    return {name: from_plain(BackboneEntry, entry, name) for name, entry in plain.items()}


class Built(NamedTuple):
    """What an adapter makes: the network, how its vector is taken, its width, its packages."""

    network: nn.Module
    vector: Callable[[nn.Module, Tensor], Tensor]  # [B, 3, T, S, S] normalised -> [B, width]
    width: int
    packages: tuple[str, ...]  # whose network it is, for the provenance
    # Of a network of sound: float32 samples [B, S] in [-1, 1] -> its input, as its library has it.
    prepare: Callable[[np.ndarray], Tensor] | None = None


class TextSide(NamedTuple):
    """What an adapter's `text_side` gives: sentences in the space of the backbone's vectors."""

    encode: Callable[[list[str]], Tensor]  # n sentences -> [n, width], not normalised
    scale: float  # of cosines in a softmax over classes, learned with the weights


class Backbone(nn.Module):
    """A network, which of its outputs is the vector, and how that is computed."""

    def __init__(self, entry: BackboneEntry, built: Built) -> None:
        super().__init__()
        self.network, self._vector = built.network, built.vector
        self.feature_size, self.packages = entry.width, built.packages
        self.computes()

    def computes(self, precision: Precision = EXACT, compiled: bool = False) -> Self:
        """Return itself, computing from now on in a precision, and by torch.compile if `compiled`.

        In bf16 the products are bfloat16 (torch.autocast); sums along the depth stay float32.
        """
        self._is_exact = precision == EXACT
        self._compiled = compiled_vector(self._vector) if compiled else None
        return self

    def _vectors(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, torch.bfloat16, enabled=not self._is_exact):
            return (self._compiled or self._vector)(self.network, x)


class SoundNetwork(Backbone):
    """A backbone of sound: samples in, vectors out."""

    def __init__(self, entry: BackboneEntry, built: Built) -> None:
        super().__init__(entry, built)
        self._prepare = built.prepare

    def features(self, samples: np.ndarray, device: torch.device) -> Tensor:
        """Float32 `[B, S]` in [-1, 1], at the entry's rate -> `[B, feature_size]`."""
        return self._vectors(self._prepare(samples).to(device))


class SnippetNetwork(Backbone):
    """A backbone with the input of Inception-I3D: RGB snippets in [-1, 1]."""

    mean: Tensor
    std: Tensor

    def __init__(self, entry: BackboneEntry, built: Built) -> None:
        super().__init__(entry, built)
        self.is_framewise = entry.input == "images"  # the vector is the mean of the frames'
        for name, value in (("mean", entry.mean), ("std", entry.std)):
            self.register_buffer(name, torch.tensor(value)[:, None, None, None], persistent=False)

    def channels_last(self) -> SnippetNetwork:
        """Return itself, its convolutions in the layout of the snippets: the faster one."""
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                module.to(memory_format=torch.channels_last_3d)
            elif isinstance(module, nn.Conv2d):
                module.to(memory_format=torch.channels_last)
        return self

    def features(self, x: Tensor) -> Tensor:
        """`[B, 3, T, S, S]` in [-1, 1] -> `[B, feature_size]`."""
        return self._vectors(((x + 1) / 2 - self.mean) / self.std)


def compiled_vector(vector: Callable[[nn.Module, Tensor], Tensor]) -> Callable:
    """Return the function `vector` by torch.compile, for batches of one shape.

    A smaller batch, such as the last one of a video, is filled up: another shape would be compiled
    anew, which takes as long as many batches. Raises WstalError where torch cannot compile.
    """
    from torch._dynamo.exc import TorchDynamoException  # a second, which others are spared

    run, size = torch.compile(vector, dynamic=False), 0

    def filled(network: nn.Module, x: Tensor) -> Tensor:
        nonlocal size
        size = max(size, len(x))
        rest = x[-1:].expand(size - len(x), *x.shape[1:])
        try:
            return run(network, torch.cat([x, rest]))[: len(x)]
        except TorchDynamoException as error:
            reason = " ".join(str(error).strip().splitlines()[:2])
            raise WstalError(
                f"compile: true: torch.compile failed ({reason}); it needs a C++ compiler on CPUs "
                "and triton on GPUs. Install that, or set compile: false"
            ) from error

    return filled


def over_frames(vector: Callable[[nn.Module, Tensor], Tensor]) -> Callable:
    """Return the function of a snippet that is the mean of `vector` over its frames."""

    def mean(network: nn.Module, x: Tensor) -> Tensor:
        pictures = x.transpose(1, 2).flatten(0, 1)
        return vector(network, pictures).unflatten(0, (len(x), x.shape[2])).mean(1)

    return mean


def known_network(entry: BackboneEntry, networks: Mapping[str, Any]) -> Any:
    """Return the one of an adapter's `networks` that an entry names; raise WstalError for none."""
    if entry.model not in networks:
        raise WstalError(
            f"{entry.library} has no backbone {entry.model!r} here; `model:` can be "
            f"{', '.join(networks)}"
        )
    return networks[entry.model]


def load_backbone(
    name: str, entry: BackboneEntry, weights: str | Path, frames: int | None = None
) -> SnippetNetwork | SoundNetwork:
    """Load the backbone `name` in evaluation mode with the weights at a path, a file or a folder.

    With `untrained` they are seeded and random: for wiring tests, never for results. `frames` is
    the number of frames in a window. Raises WstalError for weights that are missing, of another
    network or another width, and for a window or a size that the network does not take.
    """
    if frames is not None:
        check_window(name, entry, frames)
    adapter = importlib.import_module(LIBRARIES[entry.library])
    path = None if weights == UNTRAINED else Path(weights)

    def build() -> SnippetNetwork | SoundNetwork:
        built = adapter.build(entry, path)
        if built.width != entry.width:
            raise WstalError(
                f"backbone {name}: width is {entry.width}, but {entry.model} gives vectors of "
                f"{built.width} by output {entry.output}; correct `width:` in its entry"
            )
        return (SoundNetwork if entry.input == "sound" else SnippetNetwork)(entry, built)

    return seeded(build)


def check_window(name: str, entry: BackboneEntry, frames: int) -> None:
    """Raise WstalError for a number of frames in a window that the network does not take."""
    if entry.frames is not None and frames != entry.frames:
        raise WstalError(
            f"backbone {name} sees windows of {entry.frames} frames, not {frames}; change the "
            "recipe's window (or the step between its frames) so that they are "
            f"{entry.frames}"
        )
    if frames % entry.tubelet:
        raise WstalError(
            f"backbone {name}: a window of {frames} frames is not a multiple of {entry.tubelet}, "
            "the frames of one token; change the recipe's window"
        )
